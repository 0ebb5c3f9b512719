//! Functions that are cut short.
//!
//! The function runs on a goroutine of its own, in a scope, so that it can be cancelled and
//! may borrow. The caller waits for it or for what cuts it short, whichever comes first, and
//! always for its end.

use crate::{Receiver, bounded};
use gorge_runtime::{cancel, checkpoint, goroutine, time};
use std::convert::Infallible;
use std::time::Duration;
use thiserror::Error;

/// A function took longer than [`timeout`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the time is over")]
pub struct Elapsed;

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs a function, and cuts it short when it takes longer than `duration`.
///
/// It runs on a goroutine of its own, of the caller's runtime; on an OS thread, of the
/// default one. It may borrow, and has ended when this returns. A duration beyond what the
/// clock can tell is for ever; with one of zero it may still begin.
///
/// # Errors
///
/// [`Elapsed`] if it had not ended when the time was over. It is then cancelled, and waited
/// for: it unwinds at its next operation that delivers a cancel, or the one that it is
/// in. A function that comes to none, because it computes, or waits for a lock or a system
/// call, is late, and what it returns is dropped. So to receive within a time, use
/// [`recv_timeout`](Receiver::recv_timeout): that loses no value.
///
/// # Panics
///
/// If the function panics, in time or later, its panic continues here.
///
/// # Cancellation
///
/// Delivers a cancel of the calling goroutine: that of the function is cancelled, too, and
/// waited for.
///
/// # Examples
///
/// ```
/// use gorge_channel::time::{self, Elapsed, timeout};
/// use std::time::Duration;
///
/// let words = ["one", "two"];
/// assert_eq!(timeout(Duration::from_secs(60), || words.concat()), Ok("onetwo".to_owned()));
/// let late = timeout(Duration::from_millis(1), || time::sleep(Duration::from_secs(60)));
/// assert_eq!(late, Err(Elapsed));
/// ```
pub fn timeout<F, T>(duration: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let over = time::deadline(duration).map_or_else(Receiver::never, Receiver::expiring);
    match run_until(&over, f) {
        Outcome::Ended(value) => Ok(value),
        Outcome::CutShort => Err(Elapsed),
    }
}

/// What came of a function.
pub(crate) enum Outcome<T> {
    Ended(T),
    /// The channel was closed before.
    CutShort,
}

/// Runs a function until a channel, which carries no values, is closed.
pub(crate) fn run_until<F, T>(over: &Receiver<()>, f: F) -> Outcome<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let (runs, has_ended) = bounded::<Infallible>(0);
    goroutine::scope(|scope| {
        let child = scope.spawn(move || {
            // Goes with the function, however that ends.
            let _runs = runs;
            f()
        });
        let is_cut_short = select_biased! {
            recv(has_ended) -> _ => false,
            recv(over) -> _ => true,
        };
        if is_cut_short {
            child.cancel();
        }
        match child.join() {
            Err(error) if error.is_panic() => cancel::resume_panic(error.into_panic()),
            _ if is_cut_short => Outcome::CutShort,
            Ok(value) => Outcome::Ended(value),
            Err(error) if error.is_cancelled() => {
                // With its runtime, as the caller is; who may not be told now goes on.
                checkpoint();
                Outcome::CutShort
            }
            Err(error) => panic!("{error}"),
        }
    })
}
