//! What the tests of this theme share.

use crate::common::cancellable;
use gorge_channel::context::Context;
use gorge_runtime::primitive::random_below;
use gorge_runtime::{go, sim, yield_now};
use std::any::Any;

/// How many seeds each simulated test tries.
pub(crate) const SEEDS: u64 = 1000;

/// Runs `body` under a context that is cancelled at some point, for each seed at another one,
/// and, for every second one, on a goroutine that is cancelled. What is left, and what waits
/// for ever, fails.
#[track_caller]
pub(crate) fn cancelled_at_any_point(body: impl Fn(&Context) + Send + Sync + Copy + 'static) {
    sim::check(SEEDS, || {
        let (ctx, guard) = cancellable();
        let whole = random_below(2) == 0;
        let work = go(move || body(&ctx));
        (0..random_below(30)).for_each(|_| yield_now());
        if whole {
            work.cancel();
        } else {
            guard.cancel();
        }
        if let Err(error) = work.join() {
            assert!(whole && error.is_cancelled(), "{error}");
        }
    });
}

/// The text of a panic's payload.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .expect("a text")
}
