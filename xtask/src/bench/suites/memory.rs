//! What a parked goroutine keeps.

use super::peers::MEMORY;
use crate::bench::peers;
use crate::bench::rows::{Count, Row};
use crate::bench::suite::{Chart, Section, Suite};

const NUMBERS: [u64; 4] = [1000, 10_000, 100_000, 1_000_000];

/// Reserves of stacks, in KiB.
const RESERVES: [u64; 3] = [64, 256, 1024];

pub(crate) fn suite() -> Suite {
    let row = |name: String, number| Row {
        fewer: &[("may", 30_000)],
        ..Row::of(name, Count::Times(number, 1), MEMORY)
    };
    let mut rows = NUMBERS.map(|it| row("memory".to_owned(), it)).to_vec();
    for reserve in RESERVES {
        rows.extend(NUMBERS.map(|it| row(format!("memory_{reserve}"), it)));
    }
    Suite {
        name: "memory",
        programs: "workloads",
        title: "Benchmarks of memory",
        introduction: "What a goroutine keeps that is parked on a channel: resident memory and page tables, divided \
                       by the number of goroutines; and what it took to start it.",
        page: "docs/benchmarks-memory.md",
        sections: vec![Section {
            title: "Parked goroutines",
            introduction: "`memory`: at the default reserve. `memory_N`: at a reserve of N KiB for each stack, which \
                           only gorge has. At small numbers the figure holds what the runtime itself took by then. \
                           `bytes` are bytes, `creation` is in nanoseconds.",
            rows,
            contestants: peers::runtimes(),
            chart: Chart::Nothing,
        }],
        absent: &[],
    }
}
