//! Channels into which the clock sends.

use crate::buffer::Timer;
use crate::channel::Chan;
use crate::receiver::Receiver;
use gorge_runtime::time;
use std::time::{Duration, Instant};

/// A channel that delivers one message, in `duration` from now: the instant at which it
/// was due.
///
/// It holds one message at most, and stays open. No timer runs for it, and nothing is
/// left of it when its receivers are dropped.
///
/// # Examples
///
/// ```
/// use gorge_channel::{after, never, select};
/// use std::time::Duration;
///
/// let nothing = never::<()>();
/// select! {
///     recv(nothing) -> _ => unreachable!(),
///     recv(after(Duration::from_millis(1))) -> _ => println!("timed out"),
/// }
/// ```
pub fn after(duration: Duration) -> Receiver<Instant> {
    timed(Timer::once(time::now().checked_add(duration), |due| due))
}

/// A channel that delivers one message, at `when`: that instant. See [`after`].
pub fn at(when: Instant) -> Receiver<Instant> {
    timed(Timer::once(Some(when), |due| due))
}

/// A channel that delivers a message every `duration`: the instant at which it was due.
///
/// It holds one message at most: those that come while nobody takes it are left out,
/// and the next ones come in phase, at a multiple of `duration` from now. See [`after`].
///
/// # Examples
///
/// ```
/// use gorge_channel::tick;
/// use std::time::Duration;
///
/// let period = Duration::from_millis(1);
/// let ticks = tick(period);
/// let first = ticks.recv().unwrap();
/// assert!(ticks.recv().unwrap() >= first + period);
/// ```
pub fn tick(duration: Duration) -> Receiver<Instant> {
    let first = time::now().checked_add(duration);
    timed(Timer::repeating(first, duration, |due| due))
}

/// A channel that never delivers a message, and stays open: for a case of a select that
/// is switched off.
///
/// There is nothing behind it: making one costs nothing, and it may be a constant.
///
/// # Examples
///
/// ```
/// use gorge_channel::{never, select, unbounded};
///
/// let (sender, receiver) = unbounded();
/// sender.send(1).unwrap();
/// let is_wanted = false;
/// select! {
///     recv(if is_wanted { receiver } else { never() }) -> _ => unreachable!(),
///     default => println!("not wanted"),
/// }
/// ```
pub const fn never<T>() -> Receiver<T> {
    Receiver::never()
}

fn timed(timer: Timer<Instant>) -> Receiver<Instant> {
    Receiver::of_nobody(Chan::timed(timer))
}
