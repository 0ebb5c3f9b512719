//! A token bucket as a line in time, with those who hold a place on it: no locks, no clock.
//!
//! The state is one point, the `zero`: when the bucket was, or will be, empty. From there on
//! it fills, one token in an interval, up to the burst.
//!
//! ```text
//!        zero                      now
//!   ──────┼─────┬─────┬─────┬──┬────┼──────►   three tokens and a half
//!                                 now                zero
//!   ───────────────────────────────┼──────┬─────┬─────┼───►   minus three: three are promised
//! ```
//!
//! To take `n` moves the zero `n` intervals on. If it is then still in the past, they were
//! there; if it is ahead, that is when they are *due*, and whoever took them waits until
//! then. So the order in which they took is the order in which they are due, and a new pace
//! stretches the part of the line that is ahead, with all who have their places there.

use super::{Limit, pace::Pace};
use gorge_channel::Sender;
use std::collections::VecDeque;
use std::time::Duration;

/// What time is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// What the clock shows. Threads read it out of order, so one that is before others counts
    /// as it is: there are fewer tokens then.
    Now(u64),
    /// What somebody says, as they would of a clock that was set back: what was there at the
    /// last time is there still.
    At(u64),
}

impl When {
    pub(super) fn nanos(self) -> u64 {
        match self {
            When::Now(nanos) | When::At(nanos) => nanos,
        }
    }
}

/// Why nothing was taken.
#[derive(Debug, PartialEq)]
pub(super) enum Short {
    OfBurst,
    /// It would be due after so long, which is longer than it may be.
    OfTime(Duration),
}

/// How long what is taken may be ahead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    UpTo(u64),
    /// As long as it takes, if it comes at all with this limit.
    Finite,
    /// As long as it takes: the limit may change.
    Endless,
}

/// A place on the line ahead.
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) n: usize,
    /// In units.
    pub(super) due: i128,
    /// Who sleeps for it. `None`: somebody holds it as a reservation.
    pub(super) sleeper: Option<Sleeper>,
}

pub(super) struct Sleeper {
    pub(super) call: Sender<()>,
    /// When it wakes by itself, nanoseconds.
    pub(super) wakes: u64,
    /// Beyond this it gives up, nanoseconds.
    pub(super) deadline: u64,
}

pub(super) struct Bucket {
    pub(super) limit: Limit,
    pub(super) burst: usize,
    pub(super) pace: Pace,
    pub(super) zero: i128,
    /// The time at which what was taken last is due.
    last_due: i128,
    /// When something was taken last, nanoseconds.
    pub(super) last: u64,
    /// A limit of zero: time stands still since then.
    frozen: Option<u64>,
    pub(super) places: VecDeque<Place>,
    next_id: u64,
}

/// Full, whenever that is asked.
const LONG_AGO: i128 = i128::MIN / 4;

impl Bucket {
    pub(super) fn new(limit: Limit, burst: usize) -> Bucket {
        Bucket {
            limit,
            burst,
            pace: Pace::new(limit, burst),
            zero: LONG_AGO,
            last_due: LONG_AGO,
            last: 0,
            frozen: limit.is_zero().then_some(0),
            places: VecDeque::new(),
            next_id: 0,
        }
    }

    /// A time on the line.
    pub(super) fn units(&self, nanos: u64) -> i128 {
        self.pace.units(self.frozen.unwrap_or(nanos))
    }

    /// Where the zero is as seen from there.
    fn zero_at(&self, when: When) -> i128 {
        match when {
            When::At(nanos) if nanos < self.last => {
                self.zero - (self.units(self.last) - self.units(nanos))
            }
            _ => self.zero,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "exact as long as it matters")]
    pub(super) fn tokens(&self, when: When) -> f64 {
        let level = self.units(when.nanos()) - self.zero_at(when);
        if self.limit.is_inf() || level >= self.pace.span {
            return self.burst as f64;
        }
        level as f64 / self.pace.interval as f64
    }

    /// Takes `n`, and says when they are due, in units.
    pub(super) fn take(&mut self, when: When, n: usize, patience: Patience) -> Result<i128, Short> {
        let now = self.units(when.nanos());
        if self.limit.is_inf() {
            return Ok(now);
        }
        if n > self.burst {
            return Err(Short::OfBurst);
        }
        let zero = self.zero_at(when).max(now - self.pace.span) + self.pace.cost(n);
        let wait = (zero > now).then(|| self.wait(now, zero));
        match (wait, patience) {
            (None, _) | (Some(_), Patience::Endless) => {}
            (Some(Some(wait)), Patience::Finite) if wait < u64::MAX => {}
            (Some(Some(wait)), Patience::UpTo(longest)) if wait <= longest => {}
            (Some(wait), _) => {
                return Err(Short::OfTime(
                    wait.map_or(Duration::MAX, Duration::from_nanos),
                ));
            }
        }
        self.zero = zero;
        self.took_at(when);
        self.last_due = zero.max(now);
        Ok(self.last_due)
    }

    /// How long it is from one time on the line to another one, nanoseconds.
    fn wait(&self, from: i128, to: i128) -> Option<u64> {
        if self.frozen.is_some() {
            return None;
        }
        self.pace.nanos(to - from)
    }

    fn took_at(&mut self, when: When) {
        self.last = match when {
            When::Now(nanos) => self.last.max(nanos),
            When::At(nanos) => nanos,
        };
    }

    /// When something is due, nanoseconds; `None`: not with this limit.
    pub(super) fn due_at(&self, due: i128) -> Option<u64> {
        if self.limit.is_inf() {
            return Some(0);
        }
        match self.frozen {
            Some(since) => (due <= self.pace.units(since)).then_some(0),
            None => self.pace.nanos(due),
        }
    }

    /// Gives back what was taken and is not used. What is due already counts as used, unless it
    /// is known not to be, as of one who slept.
    pub(super) fn give_back(&mut self, when: When, place: &Place, is_unused: bool) {
        let now = self.units(when.nanos());
        let is_used = !is_unused && place.sleeper.is_none() && place.due < now;
        if self.limit.is_inf() || place.n == 0 || is_used {
            return;
        }
        let cost = self.pace.cost(place.n);
        let due = self.close_up(place, cost);
        let last_due = self.last_due.max(self.zero);
        let restored = cost - (last_due - due).max(0);
        if restored <= 0 {
            return;
        }
        let zero = self.zero_at(when).max(now - self.pace.span);
        if let When::At(nanos) = when {
            self.last = nanos;
        }
        self.zero = zero - restored;
        self.last_due = last_due;
        if due == last_due && due - cost >= now {
            self.last_due = due - cost;
        }
    }

    /// Those who sleep behind a place that is given up move up, until a reservation, whose time
    /// stays. Returns when the gap that is left is due.
    fn close_up(&mut self, place: &Place, cost: i128) -> i128 {
        let mut due = place.due;
        let from = self.places.partition_point(|it| it.id <= place.id);
        for behind in self.places.range_mut(from..) {
            if behind.sleeper.is_none() {
                break;
            }
            due = behind.due;
            behind.due -= cost;
        }
        due
    }

    /// Keeps a place for what was taken.
    pub(super) fn keep_place(&mut self, n: usize, due: i128, sleeper: Option<Sleeper>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.places.push_back(Place {
            id,
            n,
            due,
            sleeper,
        });
        id
    }

    pub(super) fn place(&mut self, id: u64) -> Option<&mut Place> {
        let at = self
            .places
            .binary_search_by_key(&id, |place| place.id)
            .ok()?;
        self.places.get_mut(at)
    }

    pub(super) fn leave(&mut self, id: u64) -> Option<Place> {
        let at = self
            .places
            .binary_search_by_key(&id, |place| place.id)
            .ok()?;
        self.places.remove(at)
    }

    /// Changes limit and burst. What is there now stays, up to the new burst; what is ahead is
    /// as many events ahead as it was.
    pub(super) fn set(&mut self, when: When, limit: Limit, burst: usize) {
        let nanos = when.nanos();
        let (was_inf, old) = (self.limit.is_inf(), self.pace);
        let old_now = self.units(nanos);
        let old_zero = self.zero_at(when).max(old_now - old.span);
        self.took_at(when);
        self.pace = Pace::new(limit, burst);
        self.limit = limit;
        self.burst = burst;
        self.frozen = limit.is_zero().then_some(nanos);
        let pace = self.pace;
        let now = self.units(nanos);
        if was_inf {
            self.zero = now - pace.span;
            self.last_due = now;
            self.places.iter_mut().for_each(|place| place.due = now);
            return;
        }
        let moved = |time: i128| now + pace.convert(time - old_now, &old);
        self.zero = moved(old_zero);
        self.last_due = moved(self.last_due.max(old_now - old.span));
        for place in &mut self.places {
            place.due = moved(place.due);
        }
    }

    /// Whom to call because what they sleep for has changed: the first one if it wakes too late
    /// now, and with `all` who would not be admitted any more.
    ///
    /// It is enough that the first one is called, since nobody is due before it: when it leaves,
    /// the next one is the first.
    pub(super) fn callers(&mut self, all: bool) -> Vec<Sender<()>> {
        let mut calls = Vec::new();
        let mut is_first = true;
        for at in 0..self.places.len() {
            let place = &self.places[at];
            let Some(sleeper) = &place.sleeper else {
                continue;
            };
            let due = self.due_at(place.due);
            let wakes_late = due.is_some_and(|due| due < sleeper.wakes);
            let gives_up = !self.limit.is_inf()
                && (place.n > self.burst || due.unwrap_or(u64::MAX) > sleeper.deadline);
            if is_first && wakes_late || all && gives_up {
                calls.extend(self.tell(at));
            }
            is_first = false;
            if !all {
                break;
            }
        }
        calls
    }

    /// From now on it is awake, as far as others are concerned.
    fn tell(&mut self, at: usize) -> Option<Sender<()>> {
        let sleeper = self.places[at].sleeper.as_mut()?;
        sleeper.wakes = 0;
        Some(sleeper.call.clone())
    }

    /// Forgets reservations that are due: there is nothing left to be moved or given back.
    pub(super) fn forget_due(&mut self, when: When) {
        let now = self.units(when.nanos());
        while self
            .places
            .front()
            .is_some_and(|it| it.sleeper.is_none() && it.due < now)
        {
            self.places.pop_front();
        }
    }
}
