//! Selects: which case is done, and that all others are left as they were.
//!
//! * what all [three ways](ways) of selecting have in common: [`forms`], [`single`],
//!   [`streams`], [`selecting`];
//! * the macro: [`macros`]; a `Select` and readiness: [`dynamic`];
//! * selects that meet selects: [`exchange`]; that do not wait: [`races`];
//! * every operation in every state: [`matrix`]; Go's programs: [`golang`];
//! * room that is kept for a value: [`permits`].
#![cfg(not(gorge_loom))]

#[path = "../common/mod.rs"]
mod common;
mod ways;

mod dynamic;
mod exchange;
mod forms;
mod golang;
mod macros;
mod matrix;
mod permits;
mod races;
mod selecting;
mod single;
mod streams;
