//! Uses all of parking_lot's interface that is for everybody, and says what comes of
//! it. `locks` is parking_lot, or what takes its place.

mod condvars;
mod generic;
mod mutexes;
mod onces;
mod rwlocks;
mod together;

use super::locks;
use crate::{Job, Join};

/// What the program says.
#[derive(Default)]
pub(crate) struct Lines(Vec<String>);

impl Lines {
    fn say(&mut self, what: &str, value: impl std::fmt::Debug) {
        self.0.push(format!("{what}: {value:?}"));
    }
}

/// Runs it; `start` starts a party.
pub(crate) fn run(start: &dyn Fn(Job) -> Join) -> Vec<String> {
    let mut lines = Lines::default();
    mutexes::run(&mut lines);
    rwlocks::run(&mut lines);
    condvars::run(&mut lines, start);
    onces::run(&mut lines, start);
    generic::run(&mut lines);
    together::run(&mut lines, start);
    lines.0
}
