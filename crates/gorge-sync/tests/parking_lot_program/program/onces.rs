//! Running something once, and what is left when it fails.

use super::Lines;
use super::locks::{Mutex, Once, OnceState};
use crate::{Job, Join};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

static NEVER: Once = Once::new();

fn panics(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

pub(super) fn run(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    lines.say("never", (NEVER.state(), &NEVER));
    let once = Once::default();
    let mut seen = Vec::new();
    once.call_once(|| seen.push(once.state()));
    once.call_once(|| unreachable!("it has run"));
    once.call_once_force(|_| unreachable!("it has run"));
    lines.say("once", (seen, once.state(), &once));

    let once = Once::new();
    lines.say("fails", panics(|| once.call_once(|| panic!("it fails"))));
    let state: OnceState = once.state();
    lines.say("failed", (state, state.poisoned(), state.done(), &once));
    lines.say("again", panics(|| once.call_once(|| ())));
    let mut before = None;
    once.call_once_force(|state| before = Some(state));
    lines.say("forced", (before, once.state().done()));
    once.call_once(|| unreachable!("it has run"));

    let shared = Arc::new((Once::new(), Mutex::new(0)));
    let party = |_| {
        let shared = Arc::clone(&shared);
        start(Box::new(move || {
            shared.0.call_once(|| *shared.1.lock() += 1);
            assert_eq!(*shared.1.lock(), 1);
        }))
    };
    let joins: Vec<_> = (0..6).map(party).collect();
    joins.into_iter().for_each(|join| join());
    lines.say("of six", (&shared.1, shared.0.state()));
}
