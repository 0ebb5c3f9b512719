//! Heartbeats: signs of life beside the results.
//!
//! **Problem.** Whoever waits for a goroutine cannot tell one that has nothing to say from
//! one that is stuck. So it says, beside its results, that it is alive: at an interval while
//! it waits ([`every`]), or for each unit of work ([`per_unit`]).
//!
//! ```text
//!              ┌──► pulses    (dropped if nobody has taken the last one)
//!   [ work ] ──┤
//!              └──► results   (a rendezvous)
//! ```
//!
//! A pulse never blocks the work: there is room for one, and while that is not taken all
//! further ones are the same news. So a listener that was late sees one pulse that is old.
//!
//! **Who closes what.** The goroutine of the work owns both senders, and drops them when the
//! work returns or panics. **Cancelled** by the context: [`Work`]'s waits say so, and the work
//! returns.

use gorge_channel::context::Context;
use gorge_channel::{Receiver, Sender, after, bounded, never, select, tick};
use gorge_runtime::{catch_panic, go};
use std::fmt;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// Says that somebody is alive. Clones beat for the same listener.
///
/// # Examples
///
/// ```
/// use gorge_patterns::heartbeat::Pulse;
///
/// let (pulse, pulses) = Pulse::new();
/// assert!(pulse.beat());
/// assert!(!pulse.beat(), "nobody has taken the first one");
/// assert_eq!(pulses.iter().next(), Some(()));
/// ```
#[derive(Clone)]
pub struct Pulse {
    sender: Sender<()>,
}

impl Pulse {
    /// A pulse, and where it is felt. The receiver ends with the last clone of the pulse.
    #[allow(clippy::new_ret_no_self, reason = "the two ends come together")]
    pub fn new() -> (Pulse, Receiver<()>) {
        let (sender, receiver) = bounded(1);
        (Pulse { sender }, receiver)
    }

    /// Beats once, and never waits. False if it is dropped, since the last one has not been
    /// taken yet, or since nobody listens any more.
    pub fn beat(&self) -> bool {
        self.sender.try_send(()).is_ok()
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Pulse { .. }")
    }
}

/// What work with a heartbeat waits through: the pulse goes on meanwhile, and the end of the
/// context ends the wait. It is the [`Context`], too.
pub struct Work<T> {
    context: Context,
    pulse: Pulse,
    results: Sender<T>,
    rhythm: Rhythm,
}

/// When a pulse is due.
enum Rhythm {
    Every(Receiver<Instant>),
    PerUnit(Receiver<Instant>),
}

impl<T> Work<T> {
    /// Beats now. For work that computes for long between two waits.
    pub fn beat(&self) {
        self.pulse.beat();
    }

    /// Another handle of the pulse.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Waits for a value; `None` when the input has ended or the context is done.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn receive<V>(&self, input: &Receiver<V>) -> Option<V> {
        while self.context.err().is_none() {
            select! {
                recv(input) -> value => return value.ok(),
                recv(self.context.done()) -> _ => return None,
                recv(self.ticks()) -> _ => self.beat(),
            }
        }
        None
    }

    /// Waits until the result is received; false when nobody will, or the context is done.
    /// With [`per_unit`], a result is a unit, and the pulse for it comes first.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn send(&self, result: T) -> bool {
        if matches!(self.rhythm, Rhythm::PerUnit(_)) {
            self.beat();
        }
        let mut result = Some(result);
        while self.context.err().is_none() {
            select! {
                send(self.results, result.take().expect("sent once")) -> sent => return sent.is_ok(),
                recv(self.context.done()) -> _ => return false,
                recv(self.ticks()) -> _ => self.beat(),
            }
        }
        false
    }

    /// Waits for that long; false when the context is done.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn sleep(&self, duration: Duration) -> bool {
        self.receive(&after(duration)).is_some()
    }

    fn ticks(&self) -> &Receiver<Instant> {
        match &self.rhythm {
            Rhythm::Every(ticks) | Rhythm::PerUnit(ticks) => ticks,
        }
    }
}

impl<T> Deref for Work<T> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl<T> fmt::Debug for Work<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Work { .. }")
    }
}

/// Starts work that beats every `interval` while it waits. Returns its pulses and its
/// results.
///
/// The work's own goroutine beats, not one beside it: so when it is stuck, or computes for
/// longer than it says by [`Work::beat`], there is silence.
///
/// A panic of the work ends the pulses, and goes on in whoever receives the results.
///
/// # Panics
///
/// If the interval is zero.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::heartbeat;
/// use std::time::Duration;
///
/// let ctx = context::background();
/// let (pulses, results) = heartbeat::every(&ctx, Duration::from_millis(1), |work| {
///     work.sleep(Duration::from_millis(5));
///     work.send("done");
/// });
/// assert_eq!(pulses.recv(), Ok(()), "it is alive");
/// assert_eq!(results.recv(), Ok("done"));
/// ```
#[track_caller]
pub fn every<T, F>(ctx: &Context, interval: Duration, work: F) -> (Receiver<()>, Receiver<T>)
where
    T: Send + 'static,
    F: FnOnce(&Work<T>) + Send + 'static,
{
    expect_interval(interval);
    start(ctx, Rhythm::Every(tick(interval)), work)
}

/// Starts work that beats before each of its results, and whenever it calls
/// [`Work::beat`]. Returns its pulses and its results.
///
/// So a test, or whoever else wants to know how far the work is, need not guess by time. A
/// panic of the work ends the pulses, and goes on in whoever receives the results.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::heartbeat;
///
/// let ctx = context::background();
/// let (pulses, results) = heartbeat::per_unit(&ctx, |work| {
///     (0..3).all(|number| work.send(number));
/// });
/// assert_eq!(pulses.recv(), Ok(()), "the first result is ready");
/// assert!(results.iter().eq(0..3));
/// ```
#[track_caller]
pub fn per_unit<T, F>(ctx: &Context, work: F) -> (Receiver<()>, Receiver<T>)
where
    T: Send + 'static,
    F: FnOnce(&Work<T>) + Send + 'static,
{
    start(ctx, Rhythm::PerUnit(never()), work)
}

#[track_caller]
fn start<T, F>(ctx: &Context, rhythm: Rhythm, work: F) -> (Receiver<()>, Receiver<T>)
where
    T: Send + 'static,
    F: FnOnce(&Work<T>) + Send + 'static,
{
    let (pulse, pulses) = Pulse::new();
    let (sender, results) = bounded(0);
    let handle = Work {
        context: ctx.clone(),
        pulse,
        results: sender,
        rhythm,
    };
    go(move || {
        if let Err(payload) = catch_panic(AssertUnwindSafe(|| work(&handle))) {
            handle.results.close_with_panic(payload);
        }
    });
    (pulses, results)
}

#[track_caller]
pub(super) fn expect_interval(interval: Duration) {
    assert!(
        !interval.is_zero(),
        "the interval between pulses is zero: give it a length"
    );
}
