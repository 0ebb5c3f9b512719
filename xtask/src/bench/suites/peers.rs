//! All workloads, against whoever has goroutines or tasks.

use super::channels;
use crate::bench::peers;
use crate::bench::rows::{Count, Part, Row, TIME};
use crate::bench::suite::{Chart, Section, Suite};

/// What 100 000 sleeps come to: the processor time first, which is the figure.
pub(super) const SLEEP: &[Part] = &[
    sum("cpu", "CPU"),
    sum("", "wall"),
    figure("p50", "late p50"),
    figure("p99", "late p99"),
];

/// What parked goroutines come to.
pub(super) const MEMORY: &[Part] = &[sum("bytes", "bytes"), sum("", "creation")];

const fn sum(name: &'static str, label: &'static str) -> Part {
    Part {
        name,
        label,
        is_sum: true,
    }
}

pub(super) const fn figure(name: &'static str, label: &'static str) -> Part {
    Part {
        name,
        label,
        is_sum: false,
    }
}

pub(crate) fn suite() -> Suite {
    Suite {
        name: "peers",
        programs: "workloads",
        title: "Benchmarks",
        introduction: "What concurrency costs, in gorge and in what one would use instead.",
        page: "docs/benchmarks.md",
        sections: vec![Section {
            title: "Workloads",
            introduction: INTRODUCTION,
            rows: rows(),
            contestants: peers::runtimes(),
            chart: Chart::Bars,
        }],
        absent: &[
            ("echo", "not there yet: gorge has no sockets of its own"),
            ("http", "not there yet: gorge has no sockets of its own"),
        ],
    }
}

const INTRODUCTION: &str = "\
`yield`: four goroutines take turns. `spawn_seq`: one is started, sends on an unbuffered channel, and is received \
from (tokio: spawn and join). `spawn_batch`: batches of 1000, each awaited. `pingpong`, `prodcons`, `mpmc`, `select`: \
as for channels; the `mpmc` of tokio is flume's, awaited on it, as its own channels have one receiver. `skynet`: a \
tree with a fan-out of ten, whose sums come back over channels; per leaf. `fib`: naive Fibonacci, of which every call \
spawns one half and computes the other; per call. `mutex`: eight goroutines lock and unlock one mutex. `sleep`: as \
many goroutines sleep for 1 to 100 ms: processor time (user and system) and wall time, each divided by their number, \
and by how much the sleeps were too long. `memory`: resident memory and page tables per goroutine that is parked on a \
channel, in bytes, and what it took to start it. `syscall`: a blocking region that does nothing; Go enters and leaves \
a system call without making one, as its BenchmarkSyscall does. `syscall_pool`: the same where it is handed to a pool \
(tokio: `spawn_blocking`, awaited). may's channels have no limit.";

fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::times("yield", 3_000_000, 4),
        Row::times("spawn_seq", 1_000_000, 1),
        Row::times("spawn_batch", 2_000_000, 1000),
    ];
    rows.extend(channels::workloads());
    rows.extend([
        Row::of("skynet", Count::Leaves(1_000_000), &[TIME]),
        Row {
            fewer: &[("may", 20)],
            ..Row::of("fib", Count::Calls(242_785), &[TIME])
        },
        Row::times("mutex", 4_000_000, 8),
        Row {
            fewer: &[("may", 20_000)],
            ..Row::of("sleep", Count::Times(100_000, 1), SLEEP)
        },
        Row {
            // Two mappings for each of may's stacks, of the 65 530 that a process may have.
            fewer: &[("may", 30_000)],
            ..Row::of("memory", Count::Times(1_000_000, 1), MEMORY)
        },
        Row::times("syscall", 10_000_000, 1),
        Row::times("syscall_pool", 100_000, 1),
    ]);
    rows
}
