//! Waiting for a condition on what a mutex protects, with parking_lot's interface.
//!
//! * [`core`]: the waiters, and the protocol by which they go over to the mutex.

mod core;
#[cfg(all(test, gorge_loom))]
mod loom;
#[cfg(all(test, not(gorge_loom)))]
mod tests;

#[cfg(not(gorge_loom))]
pub use public::{Condvar, WaitTimeoutResult};

#[cfg(not(gorge_loom))]
mod public;
