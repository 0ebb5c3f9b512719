//! Contexts.
//!
//! * who is cancelled when, and who keeps whom: [`cancelling`]; why: [`causes`];
//! * deadlines: [`deadlines`];
//! * functions that run when a context is done: [`after`];
//! * waiting under a context: [`waits`].
#![cfg(not(gorge_loom))]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/polling.rs"]
mod polling;

mod after;
mod cancelling;
mod causes;
mod deadlines;
mod waits;
