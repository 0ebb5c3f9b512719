//! Condition variables: who is told, how often, and what the waits return.

use super::Lines;
use super::locks::{Condvar, Mutex, WaitTimeoutResult};
use crate::{Job, Join};
use std::sync::Arc;
use std::time::{Duration, Instant};

static TOLD: Condvar = Condvar::new();

const MOMENT: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(600);

pub(super) fn run(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    nobody_waits(lines);
    time_is_up(lines);
    somebody_waits(lines, start);
    all_wait(lines, start);
    ways_to_wait(lines, start);
}

fn nobody_waits(lines: &mut Lines) {
    lines.say("nobody", (TOLD.notify_one(), TOLD.notify_all()));
    lines.say("condvars", (&TOLD, Condvar::default()));
}

fn time_is_up(lines: &mut Lines) {
    let mutex = Mutex::new(1);
    let mut guard = mutex.lock();
    let result: WaitTimeoutResult = TOLD.wait_for(&mut guard, MOMENT);
    let copy = result;
    lines.say("for", (result, copy.timed_out(), result == copy));
    let moment = Instant::now() + MOMENT;
    lines.say("until", TOLD.wait_until(&mut guard, moment));
    let result = TOLD.wait_while_for(&mut guard, |value| *value == 1, MOMENT);
    lines.say("while for", result);
    let moment = Instant::now() + MOMENT;
    let result = TOLD.wait_while_until(&mut guard, |value| *value == 1, moment);
    lines.say("while until", (result, *guard));
    // What is so already is not waited for.
    TOLD.wait_while(&mut guard, |value| *value == 2);
    let result = TOLD.wait_while_for(&mut guard, |value| *value == 2, AGES);
    lines.say("at once", result);
}

/// Who has come to wait, and who was told.
#[derive(Default)]
struct Meeting {
    counts: Mutex<(usize, usize)>,
    comes: Condvar,
    goes: Condvar,
}

impl Meeting {
    fn attend(&self) {
        let mut counts = self.counts.lock();
        counts.0 += 1;
        self.comes.notify_one();
        self.goes.wait(&mut counts);
        counts.1 += 1;
    }

    fn start(self: &Arc<Meeting>, start: &dyn Fn(Job) -> Join, n: usize) -> Vec<Join> {
        let attend = |_| {
            let meeting = Arc::clone(self);
            start(Box::new(move || meeting.attend()))
        };
        let joins = (0..n).map(attend).collect();
        let mut counts = self.counts.lock();
        self.comes.wait_while(&mut counts, |counts| counts.0 < n);
        joins
    }
}

fn somebody_waits(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let meeting = Arc::new(Meeting::default());
    let joins = meeting.start(start, 3);
    let told: Vec<_> = (0..4).map(|_| meeting.goes.notify_one()).collect();
    lines.say("one by one", told);
    joins.into_iter().for_each(|join| join());
    lines.say("went", meeting.counts.lock());
}

fn all_wait(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let meeting = Arc::new(Meeting::default());
    let joins = meeting.start(start, 5);
    let counts = meeting.counts.lock();
    let told = (meeting.goes.notify_one(), meeting.goes.notify_all());
    lines.say("all", (told, meeting.goes.notify_all(), &*counts));
    drop(counts);
    joins.into_iter().for_each(|join| join());
    lines.say("all went", meeting.counts.lock());
}

fn ways_to_wait(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    type Wait = fn(&Condvar, &Mutex<u32>) -> (Option<WaitTimeoutResult>, u32);
    let ways: [Wait; 3] = [
        |condvar, mutex| {
            let mut value = mutex.lock();
            condvar.wait_while(&mut value, |value| *value == 0);
            (None, *value)
        },
        |condvar, mutex| {
            let mut value = mutex.lock();
            let result = condvar.wait_while_for(&mut value, |value| *value == 0, AGES);
            (Some(result), *value)
        },
        |condvar, mutex| {
            let mut value = mutex.lock();
            let ages = Instant::now() + AGES;
            let result = condvar.wait_while_until(&mut value, |value| *value == 0, ages);
            (Some(result), *value)
        },
    ];
    for wait in ways {
        let shared = Arc::new((Condvar::new(), Mutex::new(0), Mutex::new(None)));
        let theirs = Arc::clone(&shared);
        let join = start(Box::new(move || {
            *theirs.2.lock() = Some(wait(&theirs.0, &theirs.1));
        }));
        *shared.1.lock() = 6;
        shared.0.notify_all();
        join();
        lines.say("a way", *shared.2.lock());
    }
}
