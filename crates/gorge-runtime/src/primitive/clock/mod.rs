//! The time as one number, for what reads it at every operation: rate limiters.
//!
//! [`nanos`] is what [`time::now`] is, as nanoseconds since an origin that the whole process
//! shares, and costs half as much where the processor has a counter to interpolate with
//! (`ticks`). [`nanos_of`] and [`instant_of`] translate.
//!
//! Two threads may read times that differ by some nanoseconds from the order of their reads, so
//! whoever compares the readings of several threads must bear that.

#[cfg(target_arch = "x86_64")]
mod ticks;

use crate::time;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Instants from before the first question count too, if they are not older than this.
const PAST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The zero of these numbers.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = time::real_now();
        now.checked_sub(PAST).unwrap_or(now)
    })
}

/// The current time: on a goroutine of a runtime with a virtual clock, exactly that clock's.
/// Of the real one it is as near as some nanoseconds, on a machine whose processor counts
/// steadily, and a millisecond at the worst.
#[inline(never)]
pub fn nanos() -> u64 {
    #[cfg(target_arch = "x86_64")]
    return ticks::nanos();
    #[cfg(not(target_arch = "x86_64"))]
    virtual_nanos().unwrap_or_else(real_nanos)
}

/// The thread begins, or ends, to be a machine of some runtime, whose clock may be another one.
pub(crate) fn forget() {
    #[cfg(target_arch = "x86_64")]
    ticks::forget();
}

/// The time of the caller's runtime, if that has a clock of its own.
fn virtual_nanos() -> Option<u64> {
    let machine = crate::scheduler::current::machine()?;
    machine.shared().clock.virtual_instant().map(nanos_of)
}

fn real_nanos() -> u64 {
    nanos_of(time::real_now())
}

/// An instant as such a number. What is more than a month older than the process is zero.
pub fn nanos_of(instant: Instant) -> u64 {
    let since = instant.saturating_duration_since(origin());
    since.as_secs().saturating_mul(1_000_000_000) + u64::from(since.subsec_nanos())
}

/// The instant that [`nanos_of`] has made this number of; `None` if that is beyond what the
/// clock can tell.
pub fn instant_of(nanos: u64) -> Option<Instant> {
    origin().checked_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    #[test]
    fn numbers_and_instants_are_the_same_times() {
        let now = time::now();
        for shift in [0, 1, 999_999_999, 1_000_000_000, 1 << 40] {
            let instant = now + Duration::from_nanos(shift);
            assert_eq!(nanos_of(instant) - nanos_of(now), shift);
            assert_eq!(instant_of(nanos_of(instant)), Some(instant));
        }
        let old = now.checked_sub(PAST / 2).expect("Linux's instants go back");
        assert_eq!(instant_of(nanos_of(old)), Some(old));
    }

    #[test]
    fn the_reading_keeps_to_the_clock() {
        let end = nanos() + 50_000_000;
        loop {
            let (before, read, after) = (nanos_of(time::now()), nanos(), nanos_of(time::now()));
            // What is promised even where the processor's counter is not steady.
            let slack = 1_000_000;
            assert!(
                before <= read + slack && read <= after + slack,
                "{before} {read} {after}"
            );
            if read > end {
                break;
            }
        }
    }

    #[test]
    fn virtual_time_is_exact() {
        let runtime = Runtime::builder().simulated(1).build().expect("a runtime");
        runtime.run(|| {
            let start = nanos();
            assert_eq!(start, nanos_of(time::now()));
            time::sleep(Duration::from_nanos(12_345_678_901));
            assert_eq!(nanos() - start, 12_345_678_901);
        });
    }
}
