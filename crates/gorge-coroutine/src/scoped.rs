//! Coroutines that borrow: sound even when what the user holds is leaked.
//!
//! A suspended coroutine must not outlive what its frames point to. A value
//! that the user owns can be leaked, and its destructor never run; so the
//! coroutine stays in the frame of [`scope`], the user gets a handle, and
//! `scope` itself ends the coroutine before it returns.

use crate::coroutine::{Coroutine, CoroutineResult, Yielder};
use crate::stack::Stack;
use crate::unwind;
use std::marker::PhantomData;

/// The handle to a coroutine of a [`scope`].
pub struct ScopedCoroutine<'scope, 'env, Input, Yield, Return, S: Stack> {
    coroutine: &'scope mut Coroutine<Input, Yield, Return, S>,
    /// Invariant, so that handles of two scopes never pass for each other.
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

/// Runs `body` with a coroutine for `f`, which may borrow from outside of it.
///
/// When `body` returns or panics, a coroutine that is still suspended is
/// unwound; see [`Coroutine`]'s drop.
///
/// # Examples
///
/// ```
/// use gorge_coroutine::{CoroutineResult, OwnedStack, scope};
///
/// let words = vec!["to".to_owned(), "yield".to_owned()];
/// let lengths = scope(
///     OwnedStack::new(64 * 1024).unwrap(),
///     |yielder, ()| words.iter().for_each(|word| yielder.suspend(word.len())),
///     |mut coroutine| {
///         std::iter::from_fn(|| coroutine.resume(()).as_yield()).collect::<Vec<_>>()
///     },
/// );
/// assert_eq!(lengths, [2, 5]);
/// ```
///
/// The handle cannot leave the scope:
///
/// ```compile_fail
/// use gorge_coroutine::{OwnedStack, scope};
///
/// let word = String::from("short-lived");
/// let leaked = scope(
///     OwnedStack::new(64 * 1024).unwrap(),
///     |yielder, ()| yielder.suspend(word.len()),
///     |coroutine| coroutine,
/// );
/// ```
///
/// # Panics
///
/// A panic of `body` continues here, after the coroutine has ended. As for
/// [`Coroutine::with_stack`] if the closure does not fit.
pub fn scope<'env, Input, Yield, Return, S, F, B, T>(stack: S, f: F, body: B) -> T
where
    S: Stack,
    F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'env,
    B: for<'scope> FnOnce(ScopedCoroutine<'scope, 'env, Input, Yield, Return, S>) -> T,
    Input: 'env,
    Yield: 'env,
    Return: 'env,
{
    // SAFETY: the guard ends the coroutine before this frame goes, whatever
    // `body` does with its handle, and what `'env` borrows outlives this call.
    let mut guard = Guard(unsafe { Coroutine::with_borrowing(stack, f) });
    body(ScopedCoroutine {
        coroutine: &mut guard.0,
        env: PhantomData,
    })
}

/// Ends its coroutine, or the process.
struct Guard<Input, Yield, Return, S: Stack>(Coroutine<Input, Yield, Return, S>);

impl<Input, Yield, Return, S: Stack> Drop for Guard<Input, Yield, Return, S> {
    fn drop(&mut self) {
        if self.0.started() && !self.0.done() && !unwind::can_unwind() {
            eprintln!(
                "gorge: a coroutine that borrows is still suspended at the end of its scope, and \
                 this build cannot unwind it; aborting"
            );
            std::process::abort();
        }
        // The coroutine's own drop unwinds it.
    }
}

impl<Input, Yield, Return, S: Stack> ScopedCoroutine<'_, '_, Input, Yield, Return, S> {
    /// As [`Coroutine::resume`].
    ///
    /// # Panics
    ///
    /// As [`Coroutine::resume`].
    pub fn resume(&mut self, input: Input) -> CoroutineResult<Yield, Return> {
        self.coroutine.resume(input)
    }

    /// Whether the coroutine has been resumed at least once.
    pub fn started(&self) -> bool {
        self.coroutine.started()
    }

    /// Whether the coroutine has returned, panicked, or was unwound.
    pub fn done(&self) -> bool {
        self.coroutine.done()
    }

    /// Ends the coroutine now; see [`Coroutine::force_unwind`].
    ///
    /// # Panics
    ///
    /// As [`Coroutine::force_unwind`].
    pub fn force_unwind(&mut self) {
        self.coroutine.force_unwind();
    }
}
