//! A timer: one message of the clock, which can be stopped and set anew.
//!
//! It is a channel of the clock ([`buffer::Timer`](crate::buffer::Timer)) whose time may be
//! changed under its lock. So what has not been received when it is stopped or set anew never
//! is, and no goroutine, thread or heap knows of it.

use crate::Receiver;
use crate::buffer;
use crate::channel::Chan;
use gorge_runtime::{preempt, time};
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// Delivers one message to its channel when its time has come: the instant at which it was
/// due. As Go's timers do, it can be stopped and set anew, and leaves no stale message then.
///
/// Dereferenced, it is its channel, so `timer.recv()` waits for it, and `recv(timer)` is a
/// case of a select. Nothing is left of it when it, and the receivers that were cloned from
/// its channel, are dropped.
///
/// # Examples
///
/// ```
/// use gorge_channel::{select, time::Timer, unbounded};
/// use std::time::Duration;
///
/// let idle = Timer::new(Duration::from_millis(5));
/// let (sender, requests) = unbounded();
/// sender.send("only").unwrap();
/// loop {
///     select! {
///         recv(requests) -> request => println!("{request:?}"),
///         recv(idle) -> _ => break,
///     }
///     idle.reset(Duration::from_millis(5));
/// }
/// ```
pub struct Timer {
    channel: Receiver<Instant>,
}

impl Timer {
    /// One that is due in `duration` from now.
    pub fn new(duration: Duration) -> Timer {
        Timer::due(time::deadline(duration))
    }

    /// One that is due at `when`.
    pub fn at(when: Instant) -> Timer {
        Timer::due(Some(when))
    }

    fn due(due: Option<Instant>) -> Timer {
        let buffer = buffer::Timer::once(due, |due| due);
        Timer {
            channel: Receiver::of_nobody(Chan::timed(buffer)),
        }
    }

    /// The channel into which the message comes.
    pub fn channel(&self) -> &Receiver<Instant> {
        &self.channel
    }

    /// Stops it: no message comes any more. True if one was still to come, or had come and
    /// was not received; false if it was received, or the timer had been stopped.
    ///
    /// Of this returning true and the message being received exactly one happens. The
    /// channel stays open: who waits for it waits on, until the timer is
    /// [set anew](Timer::reset).
    pub fn stop(&self) -> bool {
        preempt::point_at_without_cancel("stop a timer");
        self.channel.own_chan().stop_timer()
    }

    /// Sets it anew: it is due in `duration` from now, whatever it was before, and whoever
    /// waits for it waits until then. True as for [`stop`](Timer::stop).
    pub fn reset(&self, duration: Duration) -> bool {
        preempt::point_at_without_cancel("set a timer");
        self.channel
            .own_chan()
            .set_timer(time::deadline(duration), None)
    }

    /// As [`reset`](Timer::reset), to be due at `when`.
    pub fn reset_at(&self, when: Instant) -> bool {
        preempt::point_at_without_cancel("set a timer");
        self.channel.own_chan().set_timer(Some(when), None)
    }
}

impl Deref for Timer {
    type Target = Receiver<Instant>;

    fn deref(&self) -> &Receiver<Instant> {
        &self.channel
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Timer { .. }")
    }
}
