//! Concurrency patterns on goroutines, channels and contexts; the README is the
//! front page.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod fan_in;
mod fan_out;
mod generate;
mod groups;
mod map;
pub mod rate;
mod resilience;
mod sharing;
mod stage;

pub use fan_in::fan_in;
pub use fan_out::fan_out;
pub use generate::generate;
pub use groups::*;
pub use map::map;
pub use resilience::{
    BreakerError, BreakerEvent, BreakerState, Bulkhead, BulkheadError, BulkheadPermit, CallCounts,
    CircuitBreaker, CircuitBreakerBuilder, Detail, Forced, LogSinkGuard, Rejected, TraceId,
    TraceOption, TraceResult, Traced, TrackedCall, Window, WithinError, retry, set_log_sink,
    within,
};
pub use sharing::*;
