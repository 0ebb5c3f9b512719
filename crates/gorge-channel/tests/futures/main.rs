//! Operations as futures.
//!
//! * what each poll does, and what a drop leaves: [`polls`]; what becomes of the values:
//!   [`values`];
//! * who goes together with whom: [`promises`]; futures among blocking parties: [`crowd`];
//! * who calls the waker: [`alarms`] for channels of the clock; wakers that do what they
//!   should not: [`wakers`].
#![cfg(not(gorge_loom))]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/polling.rs"]
mod polling;

mod alarms;
mod crowd;
mod polls;
mod promises;
mod values;
mod wakers;
