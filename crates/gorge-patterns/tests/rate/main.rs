//! Rate limiters: what they admit, when, and what they never do.

#[path = "../common/mod.rs"]
mod common;

mod cancelling;
mod concurrency;
mod guarantees;
mod keyed;
mod limiter_schedule;
mod limiter_waits;
mod multi;
mod replanning;
mod sometimes;
mod threads;
mod windows;

use gorge_patterns::rate::{Limiter, Reservation};
use gorge_runtime::time;
use std::time::{Duration, Instant};

/// The grid that schedules are told in.
const STEP: Duration = Duration::from_millis(100);

/// Points of the grid: `grid.at(3)` is three steps after the start.
#[derive(Clone, Copy)]
struct Grid(Instant);

impl Grid {
    fn new() -> Grid {
        Grid(time::now())
    }

    fn at(self, steps: u32) -> Instant {
        self.0 + STEP * steps
    }

    /// Reserves at one point, and checks that it is due at another one.
    #[track_caller]
    fn reserve(self, limiter: &Limiter, at: u32, n: usize, due: u32) -> Reservation {
        let reservation = limiter.reserve_n_at(self.at(at), n);
        assert!(reservation.ok(), "{reservation:?}");
        let delay = reservation.delay_from(self.at(at));
        assert_eq!(self.at(at) + delay, self.at(due), "{n} at {at}: {delay:?}");
        reservation
    }

    /// The same, of one that is used.
    #[track_caller]
    fn take(self, limiter: &Limiter, at: u32, n: usize, due: u32) {
        let reservation = self.reserve(limiter, at, n, due);
        assert!(reservation.commit().is_ok());
    }
}
