//! A program written for parking_lot: with only its `use` line changed it compiles
//! against this crate and does the same, on threads and on goroutines.
//!
//! * `program`: what is compiled twice.
//! * `with_parking_lot`, `with_gorge`: the two `use` lines.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_methods, reason = "a program starts threads")]
#![allow(clippy::duplicate_mod, reason = "it is what is tested")]

#[path = "../common/mod.rs"]
mod common;
mod with_gorge;
mod with_parking_lot;

use common::for_each_setting;
use std::thread;

/// What a party of the program does.
type Job = Box<dyn FnOnce() + Send>;
/// Waits for the end of a party.
type Join = Box<dyn FnOnce()>;

/// Starts a party as a program for parking_lot does.
fn start_thread(job: Job) -> Join {
    let thread = thread::spawn(job);
    Box::new(move || thread.join().expect("it does not panic"))
}

/// One test, because the program has statics: it cannot run twice at a time.
#[test]
fn it_says_the_same_with_gorge_wherever_its_parties_live() {
    let expected = with_parking_lot::program::run(&start_thread);
    assert!(expected.len() > 80, "it has done its work: {expected:#?}");
    assert_eq!(with_gorge::program::run(&start_thread), expected);
    let expected: &'static [String] = expected.leak();
    for_each_setting(move |setting| {
        let start = move |job: Job| -> Join {
            let party = setting.start(job);
            Box::new(move || party.join())
        };
        assert_eq!(with_gorge::program::run(&start), expected);
    });
}
