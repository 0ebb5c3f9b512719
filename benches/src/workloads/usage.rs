//! What the kernel says of this process, and what many measurements come to.

use crate::program::{Figures, nanoseconds};
use std::fs;
use std::time::Duration;

/// What all threads of this process have used, in user and in system mode.
pub fn processor_time() -> Duration {
    // SAFETY: all zeros are a `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes to the given place.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(result, 0, "every process has usage");
    [usage.ru_utime, usage.ru_stime]
        .map(|it| Duration::new(it.tv_sec as u64, it.tv_usec as u32 * 1000))
        .into_iter()
        .sum()
}

/// Resident memory and page tables of this process, in bytes.
pub fn memory() -> u64 {
    // The kernel counts a page at a time where this is read, but by the batch for `status`.
    let resident = fs::read_to_string("/proc/self/smaps_rollup");
    let status = fs::read_to_string("/proc/self/status").expect("the state of this process");
    let resident = resident.ok().and_then(|text| kilobytes(&text, "Rss:"));
    let resident = resident.or_else(|| kilobytes(&status, "VmRSS:"));
    let tables = kilobytes(&status, "VmPTE:");
    (resident.expect("a size") + tables.expect("a size")) * 1024
}

/// The number behind `name`, in the text of a file below `/proc`.
pub(super) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Adds the percentiles of `delays` in nanoseconds: `p50`, `p99` and `p999`.
pub fn with_percentiles(figures: Figures, mut delays: Vec<u64>) -> Figures {
    delays.sort_unstable();
    let at = |per_mille: usize| {
        let last = delays.len().saturating_sub(1);
        delays.get(last * per_mille / 1000).copied().unwrap_or(0)
    };
    figures
        .and("p50", at(500))
        .and("p99", at(990))
        .and("p999", at(999))
}

/// The figures of work that took `wall` and used `processor` time, with the delays of its parts.
pub fn of_sleeps(wall: Duration, processor: Duration, delays: Vec<u64>) -> Figures {
    let figures = Figures::of_time(wall).and("cpu", nanoseconds(processor));
    with_percentiles(figures, delays)
}
