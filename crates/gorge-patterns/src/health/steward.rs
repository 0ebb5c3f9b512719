//! `Steward`: starts a goroutine anew that has fallen silent.
//!
//! **Problem.** A goroutine that lives long may get into a state that it does not get out of
//! by itself: its peer is gone, or it waits for what never comes. Somebody has to notice, and
//! to begin again from a state that is known to be good. The one that is watched is the
//! *ward*, who watches it is the *steward*.
//!
//! ```text
//!   ctx ──► [ steward ] ── start(ward's context, interval) ──► [ ward ]
//!   pulses ◄────┘   ▲                                             │
//!                   └───────────────── pulses ────────────────────┘
//! ```
//!
//! A ward is a function that starts it and returns its pulses. A steward has the same shape,
//! so that stewards nest: one that is stuck in starting its ward is silent itself.
//!
//! **Who closes what.** The steward owns its pulses' sender and the guard of its ward's
//! context. **Cancelled** by the context: it cancels its ward's, and ends.

use super::heartbeat::{Pulse, expect_interval};
use crate::groups::caught::{NO_TEXT, text_of};
use gorge_channel::context::{CancelGuard, Context};
use gorge_channel::{
    Receiver, Sender, SharedPanic, after, bounded, never, select, tick, unbounded,
};
use gorge_runtime::{catch_panic, go};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How many events are kept for who has not asked for them yet.
const EVENTS: usize = 64;

type Start = dyn Fn(&Context, Duration) -> Ward + Send + Sync;

/// A ward as its steward knows it.
struct Ward {
    pulses: Receiver<()>,
    /// What it has panicked with, as far as its channels tell.
    panic: Box<dyn Fn() -> Option<SharedPanic> + Send>,
}

impl Ward {
    /// Its pulses shall not end its steward, however they end.
    fn new(pulses: Receiver<()>) -> Ward {
        pulses.__keep_panic();
        let felt = pulses.clone();
        Ward {
            pulses,
            panic: Box::new(move || felt.__kept_panic()),
        }
    }

    /// Nor shall its stream end who receives from that.
    fn streaming<T: Send + 'static>(pulses: Receiver<()>, stream: Receiver<T>) -> Ward {
        stream.__keep_panic();
        let Ward { pulses, panic } = Ward::new(pulses);
        Ward {
            pulses,
            panic: Box::new(move || panic().or_else(|| stream.__kept_panic())),
        }
    }

    /// One that could not be started.
    fn none() -> Ward {
        Ward::new(never())
    }
}

/// Watches a ward, and starts it anew when it has been silent for too long.
///
/// It is a plan: [`start`](Steward::start) makes a goroutine of it, as often as one likes.
/// Clones are the same steward.
///
/// A ward that has ended, or panicked, is as silent as one that is stuck, and is started anew,
/// too, when its time is over; there is one pulse's worth of time between two starts at least, so a
/// ward that fails at once does not make the steward spin.
///
/// The old ward is told by its context, and not waited for: it may be stuck.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{Steward, heartbeat};
/// use std::time::Duration;
///
/// let (ctx, stop) = context::background().with_cancel();
/// let (starts, started) = gorge_channel::unbounded();
/// let steward = Steward::new(Duration::from_millis(20), move |ctx, interval| {
///     starts.send(()).unwrap();
///     let (pulses, _results) = heartbeat::every::<(), _>(ctx, interval, |ward| {
///         // Does its work, until something happens: here it is stuck soon.
///         ward.sleep(Duration::from_millis(1));
///     });
///     pulses
/// });
/// let pulses = steward.start(&ctx, Duration::from_millis(5));
///
/// assert_eq!(started.iter().take(3).count(), 3, "healed twice");
/// assert_eq!(pulses.recv(), Ok(()), "and the steward is well");
/// stop.cancel();
/// ```
#[derive(Clone)]
pub struct Steward {
    timeout: Duration,
    ward: Arc<Start>,
    events: (Sender<StewardEvent>, Receiver<StewardEvent>),
}

/// What a steward has seen or done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StewardEvent {
    /// The ward was started.
    Started,
    /// The ward was silent for the whole of its time; its context was cancelled.
    Silent,
    /// The ward panicked, with this message: its pulses or its stream were closed with the
    /// panic. It is started anew when its time is over.
    Panicked(String),
    /// The function that starts the ward panicked, with this message. It is tried again when
    /// the ward's time is over.
    StartPanicked(String),
}

impl Steward {
    /// A steward of the ward that `start` starts, with the context that it is to end with
    /// and the interval that it is to beat at, which is half of `timeout`.
    ///
    /// # Panics
    ///
    /// If the timeout is zero.
    #[track_caller]
    pub fn new<F>(timeout: Duration, start: F) -> Steward
    where
        F: Fn(&Context, Duration) -> Receiver<()> + Send + Sync + 'static,
    {
        Steward::with(timeout, move |ctx, interval| {
            Ward::new(start(ctx, interval))
        })
    }

    #[track_caller]
    fn with<F>(timeout: Duration, ward: F) -> Steward
    where
        F: Fn(&Context, Duration) -> Ward + Send + Sync + 'static,
    {
        assert!(
            !timeout.is_zero(),
            "a steward's timeout is zero: give its ward time for a pulse"
        );
        Steward {
            timeout,
            ward: Arc::new(ward),
            events: bounded(EVENTS),
        }
    }

    /// A steward of a steward.
    ///
    /// # Panics
    ///
    /// If the timeout is zero.
    #[track_caller]
    pub fn of(timeout: Duration, ward: Steward) -> Steward {
        Steward::new(timeout, move |ctx, interval| ward.start(ctx, interval))
    }

    /// Starts the steward, which starts its ward. Returns the steward's own pulses, one per
    /// interval; they end with the context.
    ///
    /// # Panics
    ///
    /// If the interval is zero.
    #[track_caller]
    pub fn start(&self, ctx: &Context, pulse_interval: Duration) -> Receiver<()> {
        expect_interval(pulse_interval);
        let (pulse, pulses) = Pulse::new();
        let (steward, ctx) = (self.clone(), ctx.clone());
        go(move || steward.watch(&ctx, pulse_interval, &pulse));
        pulses
    }

    /// What happens, of all goroutines of this steward. There is room for 64 events; what
    /// finds no room is dropped, so that nobody needs to listen.
    pub fn events(&self) -> Receiver<StewardEvent> {
        self.events.1.clone()
    }

    /// A steward's life.
    fn watch(&self, ctx: &Context, pulse_interval: Duration, pulse: &Pulse) {
        let ticks = tick(pulse_interval);
        while ctx.err().is_none() {
            let (mut ward, guard) = self.start_ward(ctx);
            let mut has_panicked = false;
            'alive: loop {
                let silence = after(self.timeout);
                loop {
                    select! {
                        recv(ward.pulses) -> beat => match beat {
                            Ok(()) => continue 'alive,
                            // It has ended: from here on it is silent.
                            Err(_) => {
                                ward.pulses = never();
                                has_panicked = self.tell_panic(&ward);
                            }
                        },
                        recv(silence) -> _ => break 'alive,
                        recv(ticks) -> _ => {
                            pulse.beat();
                        }
                        recv(ctx.done()) -> _ => return,
                    }
                }
            }
            if !has_panicked {
                self.tell_panic(&ward);
            }
            guard.cancel_with("the ward was silent");
            self.tell(StewardEvent::Silent);
        }
    }

    /// Whether the ward has panicked; if so, that is an event.
    fn tell_panic(&self, ward: &Ward) -> bool {
        let Some(panic) = (ward.panic)() else {
            return false;
        };
        let message = panic.text().unwrap_or(NO_TEXT).to_owned();
        self.tell(StewardEvent::Panicked(message));
        true
    }

    fn start_ward(&self, ctx: &Context) -> (Ward, CancelGuard) {
        let (context, guard) = ctx.with_cancel();
        let start = AssertUnwindSafe(|| (self.ward)(&context, self.timeout / 2));
        match catch_panic(start) {
            Ok(ward) => {
                self.tell(StewardEvent::Started);
                (ward, guard)
            }
            Err(payload) => {
                self.tell(StewardEvent::StartPanicked(text_of(&*payload).to_owned()));
                (Ward::none(), guard)
            }
        }
    }

    fn tell(&self, event: StewardEvent) {
        // Full: nobody has asked.
        let _ = self.events.0.try_send(event);
    }
}

impl fmt::Debug for Steward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steward")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A steward whose wards send values: of each ward that it starts, it sends the stream to
/// the receiver that comes with it. Bridged, they are one stream that goes on when a ward is
/// replaced.
///
/// ```text
///   [ ward 1 ] ── 1 2 ──┐
///   [ ward 2 ] ── 1 2 ──┼──► streams ──► bridge ──► 1 2 1 2 1 2 …
///   [ ward 3 ] ── 1 2 ──┘
/// ```
///
/// `start` returns a ward's pulses and its values, such as [`heartbeat::every`] does. The
/// stream of a ward that was replaced is closed: what it has sent is still received, and it
/// can send no more, so one that is stuck cannot hold the next one's values up. The streams
/// end when the steward is dropped and the last of its goroutines has ended.
///
/// A ward that panics is healed as one that has ended is: its stream ends, as that of a
/// heartbeat's work does which panics, and the panic does not go on in whoever receives, but is
/// an [event](StewardEvent::Panicked). The panic hook has printed it.
///
/// [`heartbeat::every`]: super::heartbeat::every
///
/// # Panics
///
/// If the timeout is zero.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{heartbeat, steward};
/// use std::time::Duration;
///
/// let (ctx, stop) = context::background().with_cancel();
/// let (steward, streams) = steward::streaming(Duration::from_millis(20), |ctx, interval| {
///     heartbeat::every(ctx, interval, |ward| {
///         for value in [1, 2, -1] {
///             if value < 0 || !ward.send(value) {
///                 return; // a fault
///             }
///         }
///     })
/// });
/// steward.start(&ctx, Duration::from_millis(5));
///
/// let values = streams.iter().flat_map(|stream| stream.into_iter());
/// assert!(values.take(5).eq([1, 2, 1, 2, 1]));
/// stop.cancel();
/// ```
#[track_caller]
pub fn streaming<T, F>(timeout: Duration, start: F) -> (Steward, Receiver<Receiver<T>>)
where
    T: Send + 'static,
    F: Fn(&Context, Duration) -> (Receiver<()>, Receiver<T>) + Send + Sync + 'static,
{
    let (outer, streams) = unbounded();
    let ward = move |ctx: &Context, interval| {
        let (pulses, stream) = start(ctx, interval);
        let ward = Ward::streaming(pulses, stream.clone());
        // The ward's own context, which ends when the next one takes its place.
        let replaced = stream.clone();
        let _stays = ctx.after_func(move || {
            replaced.close();
        });
        // Nobody may want them any more; the ward does its work all the same.
        let _ = outer.send(stream);
        ward
    };
    (Steward::with(timeout, ward), streams)
}
