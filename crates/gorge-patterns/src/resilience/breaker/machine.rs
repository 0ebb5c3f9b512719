//! The states of a circuit, as a sequential machine: no lock, no clock, no user code.
//!
//! ```text
//!            the rule says so                       open for long enough
//!   Closed ──────────────────► Open ◄──────────┐  ──────────────────► HalfOpen
//!      ▲                                       └─── one call fails ──────┤
//!      └──────────────────── as many succeed as may try ────────────────┘
//! ```
//!
//! With each change a new *generation* begins. A call that was let in by an earlier one says
//! nothing about this one, and is not counted.

use super::window::{CallCounts, Outcome, Tally, nanos};
use super::{BreakerState, Forced, Rejected, Settings};
use std::time::Duration;

pub(super) struct Machine {
    state: BreakerState,
    generation: u64,
    tally: Tally,
    /// When the state, or the interval, ends, nanoseconds; `None`: not by time.
    until: Option<u64>,
    /// Calls that were let in by this generation while half open.
    trying: usize,
    succeeded: usize,
    forced: Option<Forced>,
}

/// From which state to which.
pub(super) type Change = (BreakerState, BreakerState);

/// What follows from the end of a call.
pub(super) enum Verdict {
    Stays,
    Changes(Change),
    /// It is for the user's rule to say, if there is one.
    Ask(CallCounts),
}

impl Machine {
    pub(super) fn new(settings: &Settings, now: u64) -> Machine {
        Machine {
            state: BreakerState::Closed,
            generation: 0,
            tally: Tally::new(settings.window),
            until: settings.interval(now),
            trying: 0,
            succeeded: 0,
            forced: None,
        }
    }

    pub(super) fn counts(&self) -> CallCounts {
        self.tally.counts()
    }

    /// What holds now, after what time alone has changed.
    pub(super) fn advance(&mut self, settings: &Settings, now: u64) -> Option<Change> {
        self.tally.forget_old(now);
        if self.until.is_none_or(|until| now < until) {
            return None;
        }
        match self.state {
            BreakerState::Closed => {
                self.begin(BreakerState::Closed, settings, now);
                None
            }
            BreakerState::Open => Some(self.change(BreakerState::HalfOpen, settings, now)),
            BreakerState::HalfOpen => None,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.forced {
            Some(Forced::Open) => BreakerState::Open,
            Some(Forced::Closed) => BreakerState::Closed,
            None => self.state,
        }
    }

    /// Lets a call in, and says by which generation.
    pub(super) fn admit(&mut self, settings: &Settings, now: u64) -> Result<u64, Rejected> {
        match (self.forced, self.state) {
            (Some(Forced::Open), _) => {
                return Err(Rejected::Open {
                    retry_after: Duration::MAX,
                });
            }
            (Some(Forced::Closed), _) | (None, BreakerState::Closed) => {}
            (None, BreakerState::Open) => {
                let left = self
                    .until
                    .map_or(u64::MAX, |until| until.saturating_sub(now));
                return Err(Rejected::Open {
                    retry_after: Duration::from_nanos(left),
                });
            }
            (None, BreakerState::HalfOpen) => {
                if self.trying >= settings.half_open {
                    return Err(Rejected::HalfOpen {
                        trying: self.trying,
                    });
                }
                self.trying += 1;
            }
        }
        Ok(self.generation)
    }

    /// A call has ended; `None`: without a result.
    pub(super) fn report(
        &mut self,
        settings: &Settings,
        now: u64,
        generation: u64,
        outcome: Option<Outcome>,
    ) -> Verdict {
        if generation != self.generation || self.forced.is_some() {
            return Verdict::Stays;
        }
        let Some(outcome) = outcome else {
            // Somebody else may try in its place.
            self.trying = self.trying.saturating_sub(1);
            return Verdict::Stays;
        };
        match self.state {
            BreakerState::Closed => {
                self.tally.record(now, outcome);
                if settings.trips(&self.tally.counts()) {
                    return Verdict::Changes(self.change(BreakerState::Open, settings, now));
                }
                match outcome.is_failure {
                    true => Verdict::Ask(self.tally.counts()),
                    false => Verdict::Stays,
                }
            }
            BreakerState::HalfOpen => {
                self.tally.record(now, outcome);
                if outcome.is_failure || outcome.is_slow {
                    return Verdict::Changes(self.change(BreakerState::Open, settings, now));
                }
                self.succeeded += 1;
                if self.succeeded < settings.half_open {
                    return Verdict::Stays;
                }
                Verdict::Changes(self.change(BreakerState::Closed, settings, now))
            }
            BreakerState::Open => Verdict::Stays,
        }
    }

    /// Opens, because the user's rule says so of a call that this generation let in.
    pub(super) fn trip(
        &mut self,
        settings: &Settings,
        now: u64,
        generation: u64,
    ) -> Option<Change> {
        let is_meant = generation == self.generation && self.forced.is_none();
        (is_meant && self.state == BreakerState::Closed)
            .then(|| self.change(BreakerState::Open, settings, now))
    }

    /// Holds a state whatever happens, or lets go of it and begins anew.
    pub(super) fn force(
        &mut self,
        settings: &Settings,
        now: u64,
        forced: Option<Forced>,
    ) -> Option<Change> {
        let from = self.state();
        self.forced = forced;
        self.begin(BreakerState::Closed, settings, now);
        let to = self.state();
        (from != to).then_some((from, to))
    }

    fn change(&mut self, to: BreakerState, settings: &Settings, now: u64) -> Change {
        let from = self.state;
        self.begin(to, settings, now);
        (from, to)
    }

    fn begin(&mut self, state: BreakerState, settings: &Settings, now: u64) {
        self.state = state;
        self.generation += 1;
        self.tally.clear();
        (self.trying, self.succeeded) = (0, 0);
        self.until = match state {
            BreakerState::Closed => settings.interval(now),
            BreakerState::Open => now.checked_add(nanos(settings.open_for)),
            BreakerState::HalfOpen => None,
        };
    }
}
