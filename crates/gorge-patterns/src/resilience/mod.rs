//! Work that may fail, and what to do about it.

mod breaker;
mod bulkhead;
pub mod retry;
mod traced;
mod within;

pub use breaker::{
    BreakerError, BreakerEvent, BreakerState, CallCounts, CircuitBreaker, CircuitBreakerBuilder,
    Forced, Rejected, TrackedCall, Window,
};
pub use bulkhead::{Bulkhead, BulkheadError, BulkheadPermit};
pub use traced::{Detail, LogSinkGuard, TraceId, TraceOption, TraceResult, Traced, set_log_sink};
pub use within::{WithinError, within};
