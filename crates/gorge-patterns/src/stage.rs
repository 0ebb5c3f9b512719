//! What stages are made of: goroutines whose waits end with a context.
//!
//! * [`start`] starts the goroutines of a stage;
//! * [`Stage::receive`] and [`Stage::send`] are the only waits in them, and say
//!   when it is time to end.
//!
//! A wait is one channel operation; what ends it when the context is done is a
//! *watcher*, one goroutine per stage:
//!
//! ```text
//!   context ──► child context ──► watcher ── cancel ──► goroutines of the stage
//!                     ▲                                           │
//!                     └──────── the last one to end ──────────────┘
//! ```
//!
//! The goroutines of the stage share the guard of a child context. So that is
//! done when the outer context is, and also once the last of them has ended,
//! whether it returned or unwound: in both cases the watcher wakes and ends. A
//! context that can never be done needs no watcher.
//!
//! The watcher cancels a goroutine only while that waits in here, which its
//! [`Phase`] tells: a function of the user's is never unwound in its midst, as
//! it would not be if the wait were a select over channel and context. One that
//! is between two waits ends by itself when it comes to the next.

use gorge_channel::context::{CancelGuard, Context};
use gorge_channel::{Receiver, Sender};
use gorge_runtime::primitive::atomic::{AtomicU8, Ordering};
use gorge_runtime::{JoinHandle, go};
use std::sync::Arc;

/// A goroutine of a stage, as its own code sees it.
pub(crate) struct Stage {
    /// `None`: the context is never done.
    watched: Option<Watched>,
}

struct Watched {
    context: Context,
    phase: Arc<Phase>,
    /// Ends the child context together with the last goroutine of the stage.
    _ended: Arc<CancelGuard>,
}

/// Starts a goroutine for each body. Dropping what the body owns, its channels
/// above all, is how a stage tells its neighbours that it has ended.
#[track_caller]
pub(crate) fn start<B>(context: &Context, bodies: impl IntoIterator<Item = B>)
where
    B: FnOnce(&Stage) + Send + 'static,
{
    if !context.is_cancellable() {
        for body in bodies {
            go(move || body(&Stage { watched: None }));
        }
        return;
    }
    let (context, guard) = context.with_cancel();
    let ended = Arc::new(guard);
    let mut goroutines = Vec::new();
    for body in bodies {
        let phase = Arc::new(Phase::default());
        let watched = Watched {
            context: context.clone(),
            phase: Arc::clone(&phase),
            _ended: Arc::clone(&ended),
        };
        let stage = Stage {
            watched: Some(watched),
        };
        goroutines.push((phase, go(move || body(&stage))));
    }
    drop(ended);
    go(move || watch(&context, goroutines));
}

/// A watcher's life.
fn watch(context: &Context, goroutines: Vec<(Arc<Phase>, JoinHandle<()>)>) {
    let closed = context.done().recv();
    debug_assert!(closed.is_err(), "the channel carries no values");
    for (phase, goroutine) in goroutines {
        if phase.finish() {
            goroutine.cancel();
        }
    }
}

impl Stage {
    /// Waits for a value; `None` when it is time to end.
    pub(crate) fn receive<T>(&self, input: &Receiver<T>) -> Option<T> {
        self.wait(|| input.recv()).and_then(Result::ok)
    }

    /// Waits until the value is received; false when it is time to end.
    pub(crate) fn send<T>(&self, output: &Sender<T>, value: T) -> bool {
        self.wait(|| output.send(value))
            .is_some_and(|sent| sent.is_ok())
    }

    /// `None` if the context is done, before or after.
    fn wait<R>(&self, operation: impl FnOnce() -> R) -> Option<R> {
        let Some(Watched { context, phase, .. }) = &self.watched else {
            return Some(operation());
        };
        // The status first: a watcher may be slow to wake.
        if context.err().is_some() || !phase.begin_wait() {
            return None;
        }
        let result = operation();
        phase.end_wait().then_some(result)
    }
}

/// Whether a goroutine waits, and whether its context is done: one byte.
///
/// | transition | by | when it returns |
/// | --- | --- | --- |
/// | [`begin_wait`](Phase::begin_wait) | the goroutine | false: end, do not wait |
/// | [`end_wait`](Phase::end_wait) | the goroutine | false: end |
/// | [`finish`](Phase::finish) | the watcher, once | true: cancel the goroutine |
///
/// Whichever of `begin_wait` and `finish` comes second sees the first, so no
/// wait is left alone with a context that is done. After `finish` the goroutine
/// calls no user function any more: a cancel that reaches it after its wait
/// finds it on its way out.
#[derive(Default)]
struct Phase(AtomicU8);

const WAITING: u8 = 1;
const DONE: u8 = 2;

impl Phase {
    #[must_use]
    fn begin_wait(&self) -> bool {
        // Acquire, on failure: pairs with the Release of `finish`, so that what
        // came before the cancel is seen by what the stage's end leads to.
        self.0
            .compare_exchange(0, WAITING, Ordering::Relaxed, Ordering::Acquire)
            .is_ok()
    }

    #[must_use]
    fn end_wait(&self) -> bool {
        // Acquire: as in `begin_wait`.
        self.0.fetch_and(!WAITING, Ordering::Acquire) & DONE == 0
    }

    #[must_use]
    fn finish(&self) -> bool {
        // Release: pairs with the two above.
        self.0.fetch_or(DONE, Ordering::Release) & WAITING != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_cancelled_and_work_is_not() {
        let waiting = Phase::default();
        assert!(waiting.begin_wait());
        assert!(waiting.finish(), "cancel it");
        assert!(!waiting.end_wait());

        let working = Phase::default();
        assert!(working.begin_wait() && working.end_wait());
        assert!(!working.finish(), "leave it alone");
        assert!(!working.begin_wait());
    }
}
