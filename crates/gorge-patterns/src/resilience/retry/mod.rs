//! Trying again: how long to wait in between ([`Backoff`]), when to give up ([`Retry`],
//! [`Budget`]), and what became of it ([`RetryError`]).
//!
//! **Problem.** What failed may work a moment later; but if all who failed try again at once,
//! and again, they are what it fails for.
//!
//! ```text
//!   try ─✗─ 100 ms ─ try ─✗─── 200 ms ─── try ─✗────── 400 ms ────── try ─✓
//! ```
//!
//! So waits grow, are random, and are limited in number, in time, and by a budget that all
//! calls share.
//!
//! **Who closes what.** Each attempt has a context of its own, which is done when the attempt
//! has ended. **Cancelled** by the context: attempts see it in theirs, and a sleep in between
//! ends at once.
//!
//! # Examples
//!
//! ```
//! use gorge_channel::context;
//! use gorge_patterns::retry::{Backoff, Retry};
//! use std::time::Duration;
//!
//! let backoff = Backoff::exponential(Duration::from_millis(1)).max_attempts(5);
//! let mut failures = 2;
//! let answer = Retry::new(backoff).run(&context::background(), |_ctx| {
//!     if failures > 0 {
//!         failures -= 1;
//!         return Err("not yet");
//!     }
//!     Ok(42)
//! });
//! assert_eq!(answer.unwrap(), 42);
//! ```

mod backoff;
mod budget;
mod error;
mod policy;

pub use backoff::{Backoff, Jitter};
pub use budget::Budget;
pub use error::{Attempt, Failure, GaveUp, RetryError};
pub use policy::{Retry, retry};
