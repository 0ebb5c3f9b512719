//! `or`: whichever of several signals comes first.
//!
//! **Problem.** Something is to stop as soon as one of several channels says so, and how many
//! there are is known only when the program runs.
//!
//! ```text
//!   rx ──┐
//!   rx ──┼──► [ or ] ──► receiver, which ends with the first of them
//!   rx ──┘
//! ```
//!
//! **Who closes what.** One goroutine owns all inputs and the sender of the output, and drops
//! them when the first input is ready. **Cancelled** by the inputs alone.

use super::stage;
use gorge_channel::context::background;
use gorge_channel::{Receiver, Select, Sender, bounded, never};

/// A channel without values that ends when one of these is closed, or has a value, which is
/// not taken. Of no channels, it never does.
///
/// The goroutine lives until one of them is: also if nobody has the receiver any more. So let
/// there be one among them that surely ends, such as that of a
/// [context](gorge_channel::context::Context::done) or a [timer](gorge_channel::after()).
///
/// # Panics
///
/// If the one that ends it was closed with a panic, that goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::bounded;
/// use gorge_patterns::or;
///
/// let (stop, stopped) = bounded::<()>(0);
/// let (_quit, quitted) = bounded::<()>(0);
/// let over = or([stopped, quitted]);
/// drop(stop);
/// assert!(over.recv().is_err());
/// ```
#[track_caller]
pub fn or<T>(channels: impl IntoIterator<Item = Receiver<T>>) -> Receiver<()>
where
    T: Send + 'static,
{
    let channels: Vec<Receiver<T>> = channels.into_iter().collect();
    if channels.is_empty() {
        return never();
    }
    let (output, receiver) = bounded(0);
    stage::start(&background(), output, move |stage, _: &Sender<()>| {
        let mut select = Select::new();
        for channel in &channels {
            select.recv(channel);
        }
        let first = &channels[select.ready()];
        if first.is_closed() && first.is_empty() {
            stage.inherit(first);
        }
    });
    receiver
}
