//! Streams: what comes out of each stage, and how it ends.

#[path = "../common/mod.rs"]
mod common;

mod ending;
mod fanning;
mod joining;
mod panicking;
mod pipeline;
mod pipes;
mod stages;
mod steps;
mod timed;
mod values;
