//! A program that was written for `crossbeam_channel` 0.5 runs on gorge when only its
//! `use` lines change: `program` is compiled twice, and both must have the same to say.
//!
//! Not under ThreadSanitizer, which does not see how std's threads and locks, which the
//! original rests on, synchronise.
#![cfg(not(any(gorge_loom, gorge_tsan)))]
#![allow(
    clippy::disallowed_methods,
    clippy::duplicate_mod,
    reason = "a program of threads and the clock, compiled twice"
)]

use gorge_runtime::Runtime;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes down what expressions are, with their text.
macro_rules! note {
    ($notes:ident: $($value:expr),+ $(,)?) => {{
        $( $notes.add(stringify!($value), &$value); )+
    }};
}

/// What a program found out.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, what: &str, value: &dyn Debug) {
        self.0.push(format!("{what} = {value:?}"));
    }

    /// Notes how something panics.
    fn add_panic(&mut self, what: &str, f: impl FnOnce()) {
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err(what);
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        self.add(what, &text);
    }
}

#[path = "."]
mod original {
    use crossbeam_channel as channel;
    pub(crate) mod program;
}

#[path = "."]
mod swapped {
    use gorge_channel as channel;
    pub(crate) mod program;
}

/// A part of the program, in both versions.
fn compare(original: fn(&mut Notes), swapped: fn(&mut Notes)) {
    let expected = notes_of(original);
    assert!(!expected.is_empty(), "it has something to say");
    expect(&expected, &notes_of(swapped), "on a thread");
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let found = runtime.run(|| notes_of(swapped));
    expect(&expected, &found, "on a goroutine");
}

fn notes_of(program: fn(&mut Notes)) -> Vec<String> {
    let mut notes = Notes::default();
    program(&mut notes);
    notes.0
}

fn expect(expected: &[String], found: &[String], place: &str) {
    for (expected, found) in expected.iter().zip(found) {
        assert_eq!(found, expected, "{place}");
    }
    assert_eq!(found.len(), expected.len(), "{place}");
}

macro_rules! compare_parts {
    ($($(#[$attribute:meta])* $part:ident::$name:ident;)+) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $name() {
                compare(original::program::$part::$name, swapped::program::$part::$name);
            }
        )+
    };
}

compare_parts! {
    channels::handles_are_shared_and_say_what_they_are;
    channels::values_go_through_channels_of_every_kind;
    channels::deadlines_pass_and_timeouts_too;
    channels::ends_that_go_are_noticed;
    channels::iterators_end_or_stop;
    channels::threads_pass_values_on;
    errors::errors_say_what_happened;
    errors::errors_convert_and_answer;
    errors::errors_travel_in_boxes_and_question_marks;
    timers::timers_fire_once_and_tickers_again;
    timers::never_is_a_channel_like_others;
    macros::every_form_of_select_may_be_written;
    macros::selects_are_expressions;
    macros::handlers_may_do_what_expressions_may;
    macros::handles_may_be_anything_that_leads_to_one;
    macros::a_biased_select_prefers_what_comes_first;
    macros::many_cases_and_threads;
    dynamic::operations_are_added_and_removed;
    dynamic::operations_are_selected_in_every_way;
    dynamic::readiness_is_told_in_every_way;
    dynamic::sets_are_cloned_and_used_again;
    dynamic::mistakes_panic;
}
