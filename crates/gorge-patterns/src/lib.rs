//! Concurrency patterns on goroutines, channels and contexts; the README is the
//! front page.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod groups;
mod health;
pub mod rate;
mod resilience;
mod sharing;
mod streams;

pub use groups::*;
pub use health::heartbeat::every as heartbeat;
pub use health::steward::Steward;
pub use health::supervisor::{Child, Restart, Shutdown, Strategy, Supervisor};
pub use health::{heartbeat, steward, supervisor};
pub use resilience::{
    BreakerError, BreakerEvent, BreakerState, Bulkhead, BulkheadError, BulkheadPermit, CallCounts,
    CircuitBreaker, CircuitBreakerBuilder, Detail, Forced, LogSinkGuard, Rejected, TraceId,
    TraceOption, TraceResult, Traced, TrackedCall, Window, WithinError, retry, set_log_sink,
    within,
};
pub use sharing::*;
pub use streams::{
    Dispatch, Edge, Outlet, Pipe, Pipeline, PipelineError, batch, bridge, buffer, debounce, duplex,
    fan_in, fan_out, fan_out_by, filter, flat_map, generate, map, merge, merge_sorted,
    merge_sorted_by_key, or, or_done, ordered_parallel_map, ordered_parallel_map_ahead, pipe,
    repeat, repeat_with, skip, take, tee, tee_n, throttle, window, zip,
};
