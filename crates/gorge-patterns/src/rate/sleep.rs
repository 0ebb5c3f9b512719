//! Sleeping for a place in a limiter's line.
//!
//! A sleeper wakes when it is due, when its context is done, or when it is called because the
//! line has moved; then it looks again. It leaves with what it came for only if it is due by
//! the state of that moment. However it leaves, it calls the next one if that sleeps for too
//! long now: see [`Bucket::callers`](super::bucket::Bucket::callers).

use super::WaitError;
use super::bucket::{Patience, Short, Sleeper, When};
use super::shared::{Locked, Shared};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded, select};
use gorge_runtime::primitive::clock;
use gorge_runtime::time;
use std::time::Duration;

/// The clock as timers see it.
fn now() -> u64 {
    clock::nanos_of(time::now())
}

/// How a sleep ends.
enum Sleep {
    Due,
    Ends(WaitError),
    /// It is due then, nanoseconds; `None`: not with this limit.
    Until(Option<u64>),
}

/// Waits until `n` may happen.
pub(super) fn wait(shared: &Shared, context: &Context, n: usize) -> Result<(), WaitError> {
    let deadline = deadline_of(context);
    let mut bucket = shared.lock();
    if n > bucket.burst && !bucket.limit.is_inf() {
        return Err(WaitError::ExceedsBurst {
            n,
            burst: bucket.burst,
        });
    }
    let now = now();
    let (patience, is_done) = match context.err() {
        // Takes none, and finds out how long it would have taken.
        Some(reason) => (Patience::UpTo(0), Some(reason)),
        None if deadline == u64::MAX => (Patience::Endless, None),
        None => (Patience::UpTo(deadline.saturating_sub(now)), None),
    };
    if let Some(reason) = is_done {
        let wait = Duration::from_nanos(deadline.saturating_sub(now));
        return Err(WaitError::of_context(context, reason, wait));
    }
    let due = match bucket.take(When::Now(now), n, patience) {
        Ok(due) => due,
        Err(Short::OfBurst) => {
            return Err(WaitError::ExceedsBurst {
                n,
                burst: bucket.burst,
            });
        }
        Err(Short::OfTime(wait)) => return Err(WaitError::WouldExceedDeadline { wait }),
    };
    if bucket.due_at(due).is_some_and(|due| due <= now) {
        return Ok(());
    }
    let id = bucket.keep_place(n, due, None);
    fall_asleep(shared, bucket, context, id)
}

/// Waits until the place with this number is due. If there is none any more, it was.
pub(super) fn wait_for(shared: &Shared, context: &Context, id: u64) -> Result<(), WaitError> {
    let bucket = shared.lock();
    fall_asleep(shared, bucket, context, id)
}

fn deadline_of(context: &Context) -> u64 {
    context.deadline().map_or(u64::MAX, clock::nanos_of)
}

fn fall_asleep<'a>(
    shared: &'a Shared,
    mut bucket: Locked<'a>,
    context: &Context,
    id: u64,
) -> Result<(), WaitError> {
    let (call, called) = bounded(1);
    if let Some(place) = bucket.place(id) {
        place.sleeper = Some(Sleeper {
            call,
            wakes: 0,
            deadline: deadline_of(context),
        });
    }
    let mut place = Guard {
        shared,
        id,
        is_left: false,
    };
    loop {
        let until = match look(&mut bucket, context, id) {
            Sleep::Due => {
                let _place = bucket.leave(id);
                place.is_left = true;
                let calls = bucket.callers(false);
                bucket.release(calls);
                return Ok(());
            }
            Sleep::Ends(error) => {
                place.is_left = true;
                give_up(bucket, id);
                return Err(error);
            }
            Sleep::Until(until) => until,
        };
        drop(bucket);
        sleep(context, &called, until);
        bucket = shared.lock();
    }
}

/// What a sleeper that is awake does next.
fn look(bucket: &mut Locked<'_>, context: &Context, id: u64) -> Sleep {
    let Some((due, n)) = bucket.place(id).map(|place| (place.due, place.n)) else {
        return Sleep::Due;
    };
    let now = now();
    let due = bucket.due_at(due);
    // Even if the context is done as well: whose time has come is admitted.
    if due.is_some_and(|due| due <= now) {
        return Sleep::Due;
    }
    let wait = due.map_or(Duration::MAX, |due| Duration::from_nanos(due - now));
    if let Some(reason) = context.err() {
        return Sleep::Ends(WaitError::of_context(context, reason, wait));
    }
    if n > bucket.burst {
        return Sleep::Ends(WaitError::ExceedsBurst {
            n,
            burst: bucket.burst,
        });
    }
    let wakes = due.unwrap_or(u64::MAX);
    let deadline = deadline_of(context);
    if deadline != u64::MAX && wakes > deadline {
        return Sleep::Ends(WaitError::WouldExceedDeadline { wait });
    }
    let place = bucket.place(id).and_then(|place| place.sleeper.as_mut());
    if let Some(sleeper) = place {
        sleeper.wakes = wakes;
    }
    Sleep::Until(due)
}

fn sleep(context: &Context, called: &Receiver<()>, until: Option<u64>) {
    let until = until.and_then(clock::instant_of);
    let time = until.map_or_else(gorge_channel::never, gorge_channel::at);
    if context.is_cancellable() {
        select! {
            recv(called) -> _ => {},
            recv(context.done()) -> _ => {},
            recv(time) -> _ => {},
        }
    } else if let Some(until) = until {
        let _called = called.recv_deadline(until);
    } else {
        let _called = called.recv();
    }
}

fn give_up(mut bucket: Locked<'_>, id: u64) {
    if let Some(place) = bucket.leave(id) {
        bucket.give_back(When::Now(now()), &place, true);
    }
    let calls = bucket.callers(false);
    bucket.release(calls);
}

/// Gives the place back if the sleeper's goroutine is unwound.
struct Guard<'a> {
    shared: &'a Shared,
    id: u64,
    is_left: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            give_up(self.shared.lock(), self.id);
        }
    }
}
