//! Go's concurrency model for Rust; the README is the front page.
#![doc = include_str!("../README.md")]

pub use gorge_channel as channel;
pub use gorge_channel::{context, select, select_biased, time};
pub use gorge_patterns as patterns;
pub use gorge_runtime::{
    BuildError, Builder, DeadlockDetection, DeadlockReport, DurationHistogram, Frame, Goroutine,
    GoroutineDump, GoroutineId, GoroutineSnapshot, GoroutineState, GroupedDump, JoinError,
    JoinHandle, LeakReport, PanicPolicy, RunError, Runtime, RuntimeMetrics, ShutdownError,
    WorkerMetrics, block_on, blocking, catch_panic, checkpoint, go, goroutine, goroutine_local,
    locks, max_procs, netpoll, num_goroutines, profile, run, scope, set_max_procs, shield, sim,
    stack, yield_now,
};
pub use gorge_sync as sync;

#[cfg(doctest)]
mod guide;
pub mod prelude;
#[cfg(doctest)]
mod readme {
    //! The repository's front page, compiled as a documentation test.
    #![doc = include_str!("../../../README.md")]
}
