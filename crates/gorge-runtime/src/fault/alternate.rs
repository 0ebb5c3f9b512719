//! The stack that a worker thread's signal handlers run on.

use gorge_coroutine::{OwnedStack, Stack};
use std::mem::MaybeUninit;

/// Enough for the handler, an unwinder, and the largest register state.
const BYTES: usize = 128 * 1024;

/// An alternate signal stack with a guard page, for the thread that made it.
/// The one that the thread had before comes back on drop.
pub(crate) struct AlternateStack {
    previous: libc::stack_t,
    _stack: OwnedStack,
}

impl AlternateStack {
    /// `None` when there is no memory: an overflow then goes unreported.
    pub(crate) fn install() -> Option<AlternateStack> {
        let stack = OwnedStack::new(BYTES).ok()?;
        let low = stack.limit().as_ptr();
        let new = libc::stack_t {
            ss_sp: low.cast(),
            ss_flags: 0,
            ss_size: stack.top().as_ptr() as usize - low as usize,
        };
        let mut previous = MaybeUninit::uninit();
        // SAFETY: the memory belongs to this value, which takes it back before
        // it goes; no handler of this thread runs on another alternate stack now.
        let result = unsafe { libc::sigaltstack(&new, previous.as_mut_ptr()) };
        (result == 0).then(|| AlternateStack {
            // SAFETY: written by the call that succeeded.
            previous: unsafe { previous.assume_init() },
            _stack: stack,
        })
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: the previous stack is still std's, or was disabled.
        unsafe { libc::sigaltstack(&self.previous, std::ptr::null_mut()) };
    }
}
