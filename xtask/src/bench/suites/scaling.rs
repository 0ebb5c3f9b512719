//! What an operation costs as there is more of something.

use super::peers::SLEEP;
use crate::bench::peers::{on_workers, pinned};
use crate::bench::rows::{Count, Part, Row, TIME};
use crate::bench::suite::{Chart, Section, Suite};

const NUMBERS: [u64; 5] = [1, 10, 1000, 100_000, 1_000_000];
const CASES: [u64; 7] = [2, 4, 8, 16, 32, 64, 128];
const WAITERS: [u64; 3] = [1000, 10_000, 100_000];

/// The processor time of sleeps alone: how long they take is their number's doing.
const PROCESSOR: &[Part] = &[SLEEP[0]];

pub(crate) fn suite() -> Suite {
    Suite {
        name: "scaling",
        programs: "workloads",
        title: "Benchmarks of scaling",
        introduction: "What an operation costs as there are more goroutines, workers, cases or waiters.",
        page: "docs/benchmarks-scaling.md",
        sections: vec![
            by_goroutines(),
            by_workers(),
            on_one_processor(),
            by_cases(),
            close(),
        ],
        absent: &[],
    }
}

fn by_goroutines() -> Section {
    let mut rows = Vec::new();
    for number in NUMBERS {
        // One pair is the least there is.
        let pairs = number.div_ceil(2);
        rows.push(Row::times(format!("pairs_{number}"), 2_000_000, pairs));
    }
    for number in NUMBERS {
        rows.push(Row::times(format!("spawn_{number}"), 1_000_000, 1000));
    }
    for number in NUMBERS {
        // A hundred sleeps one after the other take a second.
        let count = Count::Times((number * 100).clamp(100, 1_000_000), number);
        rows.push(Row::of(format!("sleepers_{number}"), count, PROCESSOR));
    }
    Section {
        title: "By goroutines",
        introduction: "`pairs_N`: round trips of as many pairs as there are in N goroutines, per round trip. \
                       `spawn_N`: batches of 1000 beside N parked ones, per spawn. `sleepers_N`: N goroutines sleep \
                       again and again, processor time per sleep.",
        rows,
        contestants: on_workers(&[2]),
        chart: Chart::BySize,
    }
}

/// Work that several workers can share.
fn shared_work() -> Vec<Row> {
    vec![
        Row::times("pairs_128", 2_000_000, 64),
        Row::times("spawn_batch", 1_000_000, 1000),
        Row::times("prodcons", 4_000_000, 4),
        Row::of("sleep", Count::Times(100_000, 1), PROCESSOR),
    ]
}

fn by_workers() -> Section {
    Section {
        title: "By workers",
        introduction: "`pairs_128`: 64 pairs. The other rows are workloads. More workers than the machine has \
                       processors take turns on them.",
        rows: shared_work(),
        contestants: on_workers(&[1, 2, 4, 8]),
        chart: Chart::ByWorkers,
    }
}

fn on_one_processor() -> Section {
    Section {
        title: "On one processor",
        introduction: "The same, with all threads pinned to one processor, by `taskset`.",
        rows: shared_work(),
        contestants: pinned(on_workers(&[1, 2])),
        chart: Chart::Nothing,
    }
}

fn by_cases() -> Section {
    let row = |cases| Row::times(format!("select_{cases}"), 500_000, 128);
    Section {
        title: "By cases",
        introduction: "`select_N`: a receive from whichever of N unbuffered channels has a value; one goroutine \
                       sends to all of them by turns. The set is made for each select, as in `Select`; Go's is \
                       `reflect.Select`.",
        rows: CASES.map(row).into(),
        contestants: on_workers(&[1]),
        chart: Chart::BySize,
    }
}

fn close() -> Section {
    let row = |waiters| {
        Row::of(
            format!("close_{waiters}"),
            Count::Times(waiters, waiters),
            &[TIME],
        )
    };
    Section {
        title: "By waiters",
        introduction: "`close_N`: a channel is closed that N goroutines wait for, until all of them have gone; per \
                       goroutine. tokio's is a `watch`. The scale of the counts does not change these rows.",
        rows: WAITERS.map(row).into(),
        contestants: on_workers(&[2]),
        chart: Chart::BySize,
    }
}
