//! Time: the clock, waiting for it, timers and tickers.
//!
//! | | |
//! | --- | --- |
//! | [`now`], [`sleep`], [`sleep_until`] | the clock of the runtime, and waits for it |
//! | [`timeout`] | a function that is cut short |
//! | [`Timer`], [`Ticker`], [`interval`] | channels into which the clock sends, with `stop` and `reset` |
//! | [`after_func`] | a function that runs later |
//!
//! All of it goes by the clock of the runtime that the caller runs on, so in a simulation
//! (`Runtime::builder().simulated(seed)`) by the virtual one: an hour passes in no time. On
//! an OS thread it is the real one. A duration beyond what the clock can tell is for ever.
//!
//! [`after`](crate::after()), [`at`](crate::at()) and [`tick`](crate::tick()) are timers that
//! need neither `stop` nor `reset`.
//!
//! # Examples
//!
//! ```
//! use gorge_channel::select;
//! use gorge_channel::time::{Timer, interval};
//! use std::time::Duration;
//!
//! let ticks = interval(Duration::from_millis(1));
//! let end = Timer::new(Duration::from_millis(20));
//! let mut count = 0;
//! loop {
//!     select! {
//!         recv(ticks.channel()) -> _ => count += 1,
//!         recv(end.channel()) -> _ => break,
//!     }
//! }
//! assert!(count <= 20);
//! ```

#[cfg(not(gorge_loom))]
mod func;
#[cfg(not(gorge_loom))]
mod limit;
mod ticker;
mod timer;

#[cfg(not(gorge_loom))]
pub use func::{FuncTimer, after_func};
pub use gorge_runtime::time::*;
#[cfg(not(gorge_loom))]
pub use limit::{Elapsed, timeout};
#[cfg(not(gorge_loom))]
pub(crate) use limit::{Outcome, run_until};
pub use ticker::{Ticker, interval};
pub use timer::Timer;
