//! A ticker: messages of the clock at equal distances, which can be stopped and set anew.
//! See [`timer`](super::timer).

use crate::Receiver;
use crate::buffer;
use crate::channel::Chan;
use gorge_runtime::{preempt, time};
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// Delivers a message to its channel every so often: the instant at which it was due. The
/// first comes after one period.
///
/// It holds one message at most: those that come while nobody takes it are left out, and the
/// next ones come in phase. Dereferenced, it is its channel, so `ticker.recv()` waits for the
/// next tick and `for tick in ticker.iter()` for one after the other. Nothing is left of it
/// when it, and the receivers that were cloned from its channel, are dropped.
///
/// # Examples
///
/// ```
/// use gorge_channel::time::Ticker;
/// use std::time::Duration;
///
/// let period = Duration::from_millis(1);
/// let ticker = Ticker::new(period);
/// let ticks: Vec<_> = ticker.iter().take(3).collect();
/// assert!(ticks[1] - ticks[0] >= period);
/// ticker.stop();
/// assert!(ticker.try_recv().is_err());
/// ```
pub struct Ticker {
    channel: Receiver<Instant>,
}

/// A [`Ticker`] with this period.
///
/// # Panics
///
/// If the period is zero.
#[track_caller]
pub fn interval(period: Duration) -> Ticker {
    Ticker::new(period)
}

impl Ticker {
    /// One that ticks every `period`, from now on.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[track_caller]
    pub fn new(period: Duration) -> Ticker {
        check(period, "Ticker::new");
        let buffer = buffer::Timer::repeating(time::deadline(period), period, |due| due);
        Ticker {
            channel: Receiver::of_nobody(Chan::timed(buffer)),
        }
    }

    /// The channel into which the ticks come.
    pub fn channel(&self) -> &Receiver<Instant> {
        &self.channel
    }

    /// Stops it: no tick comes any more, also none that was due. The channel stays open: who
    /// waits for it waits on, until the ticker is [set anew](Ticker::reset).
    pub fn stop(&self) {
        preempt::point_at_without_cancel("stop a timer");
        self.channel.own_chan().stop_timer();
    }

    /// Sets it anew: the next tick comes in `period` from now, and one every `period` from
    /// then on, also if it had been stopped. What was due and not received never is.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[track_caller]
    pub fn reset(&self, period: Duration) {
        preempt::point_at_without_cancel("set a timer");
        check(period, "Ticker::reset");
        self.channel
            .own_chan()
            .set_timer(time::deadline(period), Some(period));
    }
}

#[track_caller]
fn check(period: Duration, operation: &str) {
    assert!(
        !period.is_zero(),
        "{operation} with a period of zero: a ticker needs time between its ticks"
    );
}

impl Deref for Ticker {
    type Target = Receiver<Instant>;

    fn deref(&self) -> &Receiver<Instant> {
        &self.channel
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Ticker { .. }")
    }
}
