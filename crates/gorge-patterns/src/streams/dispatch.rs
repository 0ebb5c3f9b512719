//! `fan_out_by`: which of several goroutines gets which value.
//!
//! **Problem.** As that of [`fan_out`], where it matters who gets what: the work is to be
//! dealt out evenly, or to whoever has least to do.
//!
//! ```text
//!                       ┌─ queue ─► [ f ] ──► receiver
//!   rx ──► [ dispatch ]─┼─ queue ─► [ f ] ──► receiver
//!                       └─ queue ─► [ f ] ──► receiver
//! ```
//!
//! **Who closes what.** The dispatcher owns `rx` and the queues' senders. Each goroutine owns
//! its queue, and closes its own output when it ends. If `f` panics, or the input ends with a
//! panic, all outputs are closed with that. **Cancelled** by the context, all together, while
//! they wait; a call of `f` is not interrupted.

use super::fan_out::{Share, fan_out, shares};
use super::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Select, SendError, Sender, TrySendError, bounded};
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// Which of several goroutines gets a value, in [`fan_out_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dispatch {
    /// Whichever asks first, from one queue for all: as [`fan_out`]. A slow value keeps nobody
    /// waiting. No dispatcher is needed.
    Shared,
    /// Each in its turn, so that all get the same number of values, and it is known which. A
    /// slow value keeps those behind it waiting.
    RoundRobin,
    /// That which has least to do: which has the fewest values that it has not passed on.
    LeastLoaded,
}

/// Applies `f` to each value in one of `n` goroutines, chosen by a strategy. The outputs are
/// rendezvous, one per goroutine, in order.
///
/// But for [`Dispatch::Shared`], one value may wait for each goroutine while it works. To have
/// every value go to all of them, use [`tee_n`](crate::tee_n()).
///
/// A goroutine ends after the last value, when the context is done, and when its own receiver
/// is gone; of the latter it learns when it has a value to send, which is lost then, with the
/// one that waits for it. The others go on, and its turn is left out.
///
/// # Panics
///
/// If `n` is zero: nobody would take the values.
///
/// A panic of `f` ends all outputs, and goes on in whoever receives: the first one of any of
/// them unwinds with its payload, those of the others with a message.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{Dispatch, fan_out_by, generate, zip};
///
/// let ctx = context::background();
/// let numbers = generate(&ctx, 0..6);
/// let mut outputs = fan_out_by(&ctx, numbers, 2, Dispatch::RoundRobin, |number| number);
/// let (odd, even) = (outputs.pop().unwrap(), outputs.pop().unwrap());
/// let pairs: Vec<_> = zip(&ctx, even, odd).iter().collect();
/// assert_eq!(pairs, [(0, 1), (2, 3), (4, 5)]);
/// ```
#[track_caller]
pub fn fan_out_by<T, U, F>(
    ctx: &Context,
    rx: Receiver<T>,
    n: usize,
    strategy: Dispatch,
    f: F,
) -> Vec<Receiver<U>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    if strategy == Dispatch::Shared {
        return fan_out(ctx, rx, n, f);
    }
    assert!(
        n > 0,
        "fan_out_by to 0 goroutines: nobody would take the values; give at least 1"
    );
    let (queues, inboxes): (Vec<_>, Vec<_>) = (0..n).map(|_| bounded(1)).unzip();
    let loads: Arc<[AtomicUsize]> = (0..n).map(|_| AtomicUsize::new(0)).collect();
    let f = Arc::new(f);
    let (shares, receivers) = shares(n);
    let workers = shares.into_iter().zip(inboxes).enumerate();
    let bodies = workers.map(|(own, (share, inbox))| {
        let (f, loads) = (Arc::clone(&f), Arc::clone(&loads));
        let body = move |stage: &Stage, share: &Share<U>| {
            while let Some(value) = stage.receive(&inbox) {
                if !stage.send(share.output(), f(value)) {
                    break;
                }
                loads[own].fetch_sub(1, Ordering::Relaxed);
            }
        };
        (share, body)
    });
    stage::start_all(ctx, bodies);
    let mut turns = Turns {
        present: (0..n).collect(),
        next: 0,
        loads,
    };
    stage::start(ctx, queues, move |stage, queues: &Vec<Sender<T>>| {
        while let Some(value) = stage.receive(&rx) {
            let is_sent = match strategy {
                Dispatch::LeastLoaded => turns.give_to_least_loaded(stage, queues, value),
                _ => turns.give_next(stage, queues, value),
            };
            if !is_sent {
                break;
            }
        }
    });
    receivers
}

/// Who comes next.
struct Turns {
    /// The goroutines that have not ended.
    present: Vec<usize>,
    /// A place in `present`.
    next: usize,
    /// How many values each has that it has not passed on. A hint, so all is relaxed.
    loads: Arc<[AtomicUsize]>,
}

impl Turns {
    /// False when it is time to end, as in what follows.
    fn give_next<T>(&mut self, stage: &Stage, queues: &[Sender<T>], mut value: T) -> bool {
        while !self.present.is_empty() {
            self.next %= self.present.len();
            let queue = &queues[self.present[self.next]];
            match stage.wait(|| queue.send(value)) {
                Some(Ok(())) => {
                    self.next += 1;
                    return true;
                }
                Some(Err(SendError(unsent))) => value = unsent,
                None => return false,
            }
            self.present.remove(self.next);
        }
        false
    }

    fn give_to_least_loaded<T>(
        &mut self,
        stage: &Stage,
        queues: &[Sender<T>],
        mut value: T,
    ) -> bool {
        loop {
            let load = |place: &usize| self.loads[self.present[*place]].load(Ordering::Relaxed);
            let Some(place) = (0..self.present.len()).min_by_key(load) else {
                return false;
            };
            let chosen = self.present[place];
            self.loads[chosen].fetch_add(1, Ordering::Relaxed);
            let unsent = match queues[chosen].try_send(value) {
                Ok(()) => return true,
                Err(error) => error,
            };
            self.loads[chosen].fetch_sub(1, Ordering::Relaxed);
            value = match unsent {
                TrySendError::Disconnected(unsent) => {
                    self.present.remove(place);
                    unsent
                }
                // So has everybody else: whoever is ready first has least to do.
                TrySendError::Full(unsent) => match self.give_to_first(stage, queues, unsent) {
                    Ok(is_sent) => return is_sent,
                    Err(SendError(unsent)) => unsent,
                },
            };
        }
    }

    fn give_to_first<T>(
        &mut self,
        stage: &Stage,
        queues: &[Sender<T>],
        value: T,
    ) -> Result<bool, SendError<T>> {
        let sent = stage.wait(|| {
            let mut select = Select::new();
            for &goroutine in &self.present {
                select.send(&queues[goroutine]);
            }
            let operation = select.select();
            let place = operation.index();
            let goroutine = self.present[place];
            self.loads[goroutine].fetch_add(1, Ordering::Relaxed);
            (place, operation.send(&queues[goroutine], value))
        });
        match sent {
            None => Ok(false),
            Some((_, Ok(()))) => Ok(true),
            Some((place, Err(unsent))) => {
                self.present.remove(place);
                Err(unsent)
            }
        }
    }
}
