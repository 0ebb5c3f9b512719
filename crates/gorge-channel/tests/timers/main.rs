//! Channels of the clock, and what runs at a time.
//!
//! * `after`, `at`, `tick` and `never`: [`virtual_time`], where every count is exact, and
//!   [`real_time`], in every setting;
//! * timers and tickers that are stopped and set anew: [`resets`];
//! * functions that run later, and functions that are cut short: [`functions`].
#![cfg(not(gorge_loom))]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/polling.rs"]
mod polling;

mod functions;
mod real_time;
mod resets;
mod virtual_time;
