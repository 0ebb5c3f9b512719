//! Retries, circuit breakers, bulkheads, timeouts and traced errors.

#[path = "../common/mod.rs"]
mod common;

mod backoff;
mod breaker;
mod bulkhead;
mod retry;
mod traced;
mod within;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
