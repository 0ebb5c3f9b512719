//! How often something may happen: rate limiters.
//!
//! | | admits | remembers |
//! | --- | --- | --- |
//! | [`Limiter`] | a token bucket: a rate, and a burst | one word |
//! | [`Gcra`] | the same, without a lock, never changed | one word |
//! | [`LeakyBucket`] | one at a time, evenly, and queues the others | one number |
//! | [`LeakyMeter`] | what does not overflow | one number |
//! | [`FixedWindow`] | so many in each window | two numbers |
//! | [`SlidingLog`] | so many in any window | each event of a window |
//! | [`SlidingCounter`] | about so many in any window | three numbers |
//! | [`Concurrency`] | so many at the same time | a number |
//! | [`MultiLimiter`] | what several of them admit, all or nothing | |
//! | [`Keyed`] | what each key's own limiter admits | those that are not idle |
//!
//! All of them are [`RateLimiter`]s. [`Limiter`] is the one to begin with, and has all that Go's
//! `x/time/rate` has; the docs of each say what it guarantees. [`Sometimes`] runs a function at
//! some of the times that it is asked to.
//!
//! They go by the clock of the runtime, so in a simulation by the virtual one. No goroutine
//! runs for any of them, and each works on goroutines and on OS threads.
//!
//! # Examples
//!
//! ```
//! use gorge_channel::context;
//! use gorge_patterns::rate::{Concurrency, Limit, Limiter, MultiLimiter, RateLimiter, WaitError};
//!
//! let calls = MultiLimiter::new()
//!     .and(Limiter::new(Limit::per_second(1000.0), 5))
//!     .and(Limiter::new(Limit::per_minute(100.0), 100))
//!     .and(Concurrency::new(4));
//!
//! let ctx = context::background();
//! let permit = calls.acquire(&ctx, 1)?;
//! // ... call ...
//! drop(permit);
//! # Ok::<(), WaitError>(())
//! ```

mod bucket;
mod common;
mod concurrency;
mod engine;
mod error;
mod fixed_window;
mod gcra;
mod keyed;
mod leaky;
mod limit;
mod limiter;
mod multi;
mod pace;
mod reservation;
mod shared;
mod sleep;
mod sliding_counter;
mod sliding_log;
pub(crate) mod slots;
mod sometimes;

pub use common::{Permit, RateLimiter};
pub use concurrency::Concurrency;
pub use error::{Refused, WaitError};
pub use fixed_window::FixedWindow;
pub use gcra::Gcra;
pub use keyed::Keyed;
pub use leaky::{LeakyBucket, LeakyMeter};
pub use limit::Limit;
pub use limiter::Limiter;
pub use multi::MultiLimiter;
pub use reservation::{Claim, Reservation};
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;
pub use sometimes::Sometimes;
