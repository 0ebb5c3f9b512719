//! Heartbeats, stewards and supervisors, under virtual time and on real runtimes.

#[path = "../common/mod.rs"]
mod common;
mod heartbeat;
mod starting;
mod steward;
mod stopping;
mod strategies;
mod supervisor_cancel;
mod supervisor_events;
mod supervisor_pulses;
mod support;
