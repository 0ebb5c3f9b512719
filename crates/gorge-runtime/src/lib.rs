//! Goroutines on an M:N work-stealing scheduler; the README is the front page.
#![cfg_attr(not(gorge_loom), doc = include_str!("../README.md"))]

pub mod cancel;
pub mod park;
pub mod primitive;

#[cfg(not(gorge_loom))]
mod block_on;
#[cfg(not(gorge_loom))]
mod blocking;
#[cfg(not(gorge_loom))]
mod builder;
#[cfg(not(gorge_loom))]
mod deadlock;
#[cfg(not(gorge_loom))]
mod default_runtime;
#[cfg(not(gorge_loom))]
mod dump;
#[cfg(not(gorge_loom))]
mod error;
#[cfg(not(gorge_loom))]
mod fault;
#[cfg(not(gorge_loom))]
pub mod goroutine;
#[cfg(gorge_loom)]
#[path = "goroutine/mod_loom.rs"]
mod goroutine;
#[cfg(not(gorge_loom))]
mod leak;
#[cfg(not(gorge_loom))]
pub mod locks;
#[cfg(gorge_loom)]
#[path = "locks/mod_loom.rs"]
pub mod locks;
#[cfg(not(gorge_loom))]
mod metrics;
#[cfg(not(gorge_loom))]
mod monitor;
#[cfg(not(gorge_loom))]
pub mod netpoll;
#[cfg(not(gorge_loom))]
mod panics;
pub mod preempt;
pub mod profile;
#[cfg(doctest)]
mod refused;
#[cfg(not(gorge_loom))]
mod report;
#[cfg(not(gorge_loom))]
mod runtime;
#[cfg_attr(gorge_loom, path = "scheduler/mod_loom.rs")]
mod scheduler;
#[cfg(not(gorge_loom))]
mod shutdown;
#[cfg(not(gorge_loom))]
pub mod sim;
#[cfg(not(gorge_loom))]
pub mod stack;
pub mod time;
#[cfg(not(gorge_loom))]
mod timer;
#[cfg(not(gorge_loom))]
#[doc(hidden)]
pub mod trace;
#[cfg(not(gorge_loom))]
mod traceback;

#[cfg(not(gorge_loom))]
pub use {
    block_on::block_on,
    blocking::blocking,
    builder::Builder,
    cancel::{catch_panic, shield},
    deadlock::{DeadlockDetection, DeadlockReport},
    dump::{Frame, GoroutineDump, GoroutineSnapshot, GoroutineState, GroupedDump},
    error::{BuildError, JoinError, RunError},
    goroutine::{Goroutine, GoroutineId, JoinHandle, scope, spawn as go, yield_now},
    leak::LeakReport,
    metrics::{DurationHistogram, RuntimeMetrics, WorkerMetrics},
    panics::PanicPolicy,
    preempt::checkpoint,
    runtime::{Runtime, max_procs, num_goroutines, run, set_max_procs},
    shutdown::ShutdownError,
};
