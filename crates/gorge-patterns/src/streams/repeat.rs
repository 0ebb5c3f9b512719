//! `repeat` and `repeat_with`: sources without an end.
//!
//! **Problem.** A pipeline needs the same values again and again, or as many as it wants of
//! what a function makes.
//!
//! ```text
//!   values ──► [ repeat ] ──► a b c a b c a …
//!   f ──► [ repeat_with ] ──► f() f() f() …
//! ```
//!
//! **Who closes what.** The stage owns the sender. **Cancelled** by the context, or by
//! dropping the receiver, while it waits for a receiver.

use super::generate::generate;
use gorge_channel::Receiver;
use gorge_channel::context::Context;
use std::iter;

/// Sends clones of the values in their order, over and over; without values, it ends at once.
///
/// The stage ends when the context is done, and when the receiver is gone.
///
/// # Panics
///
/// A panic while a value is cloned goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{repeat, take};
///
/// let (ctx, _stop) = context::background().with_cancel();
/// let steps = take(&ctx, repeat(&ctx, ["left", "right"]), 3);
/// assert_eq!(steps.iter().collect::<Vec<_>>(), ["left", "right", "left"]);
/// ```
#[track_caller]
pub fn repeat<T>(ctx: &Context, values: impl IntoIterator<Item = T>) -> Receiver<T>
where
    T: Clone + Send + 'static,
{
    let values: Vec<T> = values.into_iter().collect();
    let count = values.len();
    let places = (0..count).cycle();
    generate(ctx, places.map(move |place| values[place].clone()))
}

/// Sends what the function returns, call by call.
///
/// The stage ends when the context is done, and when the receiver is gone; a call is not
/// interrupted.
///
/// # Panics
///
/// A panic of `f` goes on in whoever receives, behind the values before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{repeat_with, take};
///
/// let (ctx, _stop) = context::background().with_cancel();
/// let mut last = 1;
/// let powers = repeat_with(&ctx, move || {
///     last *= 2;
///     last
/// });
/// assert_eq!(take(&ctx, powers, 4).iter().collect::<Vec<_>>(), [2, 4, 8, 16]);
/// ```
#[track_caller]
pub fn repeat_with<T, F>(ctx: &Context, f: F) -> Receiver<T>
where
    T: Send + 'static,
    F: FnMut() -> T + Send + 'static,
{
    generate(ctx, iter::repeat_with(f))
}
