//! Single flights, memos, broadcasts, topics, monitors, caches, phases: one module each.

#[path = "../common/mod.rs"]
mod common;

mod broadcast;
mod broadcast_policies;
mod memo;
mod models;
mod monitor;
mod phased;
mod single_flight;
mod tiered;
#[path = "../groups/tools.rs"]
mod tools;
mod topic;
