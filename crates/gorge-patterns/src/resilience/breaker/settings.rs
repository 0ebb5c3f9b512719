//! When a circuit opens, for how long, and who is told.

use super::window::{CallCounts, Window, nanos};
use super::{BreakerEvent, CircuitBreaker};
use std::fmt;
use std::time::Duration;

pub(super) type Rule = Box<dyn Fn(&CallCounts) -> bool + Send + Sync>;
pub(super) type OnChange = Box<dyn Fn(&BreakerEvent) + Send + Sync>;

pub(super) struct Settings {
    pub(super) name: String,
    pub(super) window: Window,
    pub(super) min_calls: usize,
    pub(super) consecutive: Option<usize>,
    pub(super) failure_rate: Option<f64>,
    pub(super) slow_rate: Option<(Duration, f64)>,
    pub(super) rule: Option<Rule>,
    pub(super) open_for: Duration,
    pub(super) half_open: usize,
    pub(super) on_change: Option<OnChange>,
}

impl Settings {
    /// When the interval ends that begins now.
    pub(super) fn interval(&self, now: u64) -> Option<u64> {
        match self.window {
            Window::Interval(length) if !length.is_zero() => now.checked_add(nanos(length)),
            _ => None,
        }
    }

    /// Whether the circuit is to open.
    pub(super) fn trips(&self, counts: &CallCounts) -> bool {
        let is_enough = counts.calls >= self.min_calls;
        self.consecutive
            .is_some_and(|most| counts.consecutive_failures >= most)
            || is_enough
                && self
                    .failure_rate
                    .is_some_and(|rate| counts.failure_rate() >= rate)
            || is_enough
                && self
                    .slow_rate
                    .is_some_and(|(_, rate)| counts.slow_rate() >= rate)
    }

    pub(super) fn is_slow(&self, took: u64) -> bool {
        self.slow_rate
            .is_some_and(|(limit, _)| took >= nanos(limit))
    }
}

/// Says how a [`CircuitBreaker`] is to be; made by [`CircuitBreaker::builder`].
#[must_use = "build it"]
pub struct CircuitBreakerBuilder {
    settings: Settings,
    has_rule: bool,
}

impl CircuitBreakerBuilder {
    pub(super) fn new() -> CircuitBreakerBuilder {
        let settings = Settings {
            name: String::new(),
            window: Window::Interval(Duration::ZERO),
            min_calls: 10,
            consecutive: Some(6),
            failure_rate: None,
            slow_rate: None,
            rule: None,
            open_for: Duration::from_secs(60),
            half_open: 1,
            on_change: None,
        };
        CircuitBreakerBuilder {
            settings,
            has_rule: false,
        }
    }

    /// What events call it.
    pub fn name(mut self, name: impl Into<String>) -> CircuitBreakerBuilder {
        self.settings.name = name.into();
        self
    }

    /// Which calls count. If nothing else is said, all since the circuit was closed.
    ///
    /// # Panics
    ///
    /// If it is a window of no calls, or of no time.
    #[track_caller]
    pub fn window(mut self, window: Window) -> CircuitBreakerBuilder {
        let is_empty = match window {
            Window::Calls(calls) => calls == 0,
            Window::Time(length) => length.is_zero(),
            Window::Interval(_) => false,
        };
        assert!(
            !is_empty,
            "CircuitBreaker: a window without calls: give it some, or some time"
        );
        self.settings.window = window;
        self
    }

    /// Rates say nothing before so many calls have ended: ten, if nothing else is said.
    pub fn min_calls(mut self, calls: usize) -> CircuitBreakerBuilder {
        self.settings.min_calls = calls;
        self
    }

    /// It opens when so many fail in a row. If there is no rule at all, six.
    pub fn consecutive_failures(mut self, failures: usize) -> CircuitBreakerBuilder {
        self.only_rules();
        self.settings.consecutive = Some(failures.max(1));
        self
    }

    /// It opens when this share of the calls fail, from 0 to 1.
    ///
    /// # Panics
    ///
    /// If it is no share.
    #[track_caller]
    pub fn failure_rate(mut self, rate: f64) -> CircuitBreakerBuilder {
        check(rate);
        self.only_rules();
        self.settings.failure_rate = Some(rate);
        self
    }

    /// It opens when this share of the calls take so long, from 0 to 1. A slow call also fails a
    /// trial while it is half open.
    ///
    /// # Panics
    ///
    /// If it is no share.
    #[track_caller]
    pub fn slow_calls(mut self, took: Duration, rate: f64) -> CircuitBreakerBuilder {
        check(rate);
        self.only_rules();
        self.settings.slow_rate = Some((took, rate));
        self
    }

    /// It opens when this is true after a call that failed. Several calls may ask it at once.
    pub fn ready_to_trip(
        mut self,
        rule: impl Fn(&CallCounts) -> bool + Send + Sync + 'static,
    ) -> CircuitBreakerBuilder {
        self.only_rules();
        self.settings.rule = Some(Box::new(rule));
        self
    }

    /// With a rule of its own, the one that there is without is none any more.
    fn only_rules(&mut self) {
        if !std::mem::replace(&mut self.has_rule, true) {
            self.settings.consecutive = None;
        }
    }

    /// How long it stays open before calls may try again: a minute, if nothing else is said.
    pub fn open_for(mut self, open_for: Duration) -> CircuitBreakerBuilder {
        self.settings.open_for = open_for;
        self
    }

    /// How many calls may try while it is half open; so many must succeed for it to close. One,
    /// if nothing else is said.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn half_open_calls(mut self, calls: usize) -> CircuitBreakerBuilder {
        assert!(
            calls > 0,
            "CircuitBreaker: zero trials would never close it: give one or more"
        );
        self.settings.half_open = calls;
        self
    }

    /// Called after each change of state, by whoever brought it about.
    pub fn on_change(
        mut self,
        on_change: impl Fn(&BreakerEvent) + Send + Sync + 'static,
    ) -> CircuitBreakerBuilder {
        self.settings.on_change = Some(Box::new(on_change));
        self
    }

    /// The breaker, closed.
    #[must_use]
    pub fn build(self) -> CircuitBreaker {
        CircuitBreaker::with(self.settings)
    }
}

#[track_caller]
fn check(rate: f64) {
    assert!(
        (0.0..=1.0).contains(&rate),
        "CircuitBreaker: a rate of {rate}: give a share from 0 to 1"
    );
}

impl fmt::Debug for CircuitBreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerBuilder")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}
