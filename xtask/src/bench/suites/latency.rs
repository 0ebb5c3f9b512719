//! How soon somebody wakes.

use super::peers::figure;
use crate::bench::peers::on_workers;
use crate::bench::rows::{Count, Part, Row};
use crate::bench::suite::{Chart, Section, Suite};

const PERCENTILES: &[Part] = &[
    figure("p50", "p50"),
    figure("p99", "p99"),
    figure("p999", "p99.9"),
];

/// How busy the workers are, in per cent.
const LOADS: [u64; 3] = [0, 50, 100];

pub(crate) fn suite() -> Suite {
    let rows = |name: &'static str| {
        LOADS.map(|load| {
            let count = Count::Times(10_000, 1);
            Row::of(format!("{name}_{load}"), count, PERCENTILES)
        })
    };
    let section = |title, introduction, name| Section {
        title,
        introduction,
        rows: rows(name).into(),
        contestants: on_workers(&[2]),
        chart: Chart::BySize,
    };
    Suite {
        name: "latency",
        programs: "workloads",
        title: "Benchmarks of latency",
        introduction: "How soon a goroutine runs after what it waits for has happened, in nanoseconds. The number \
                       behind a row's name says for how much of the time the workers are busy, in per cent: each \
                       has a goroutine that computes, in stints of ten microseconds between which it yields.",
        page: "docs/benchmarks-latency.md",
        sections: vec![
            section(
                "Another thread's wake-up",
                "A plain thread sends on a channel with room for one; in Go, a goroutine that is locked to its thread.",
                "wake",
            ),
            section(
                "A timer",
                "By how much a sleep of half a millisecond was too long. tokio's timers go by milliseconds.",
                "timer",
            ),
            section(
                "A descriptor",
                "A plain thread writes to a pipe that the goroutine reads from.",
                "poll",
            ),
        ],
        absent: &[],
    }
}
