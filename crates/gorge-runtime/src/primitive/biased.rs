//! A [`RawLock`] that is cheaper for the thread that mostly has it.

use super::RawLock;
use super::bias::Bias;
use super::thread_number;

/// As [`RawLock`], but without a read-modify-write where one thread has the lock again
/// and again and no other wants it. Where several do it costs a few instructions more.
///
/// It may be released from another stack, but by the same thread.
pub struct BiasedLock {
    lock: RawLock,
    bias: Bias,
}

impl Default for BiasedLock {
    fn default() -> Self {
        BiasedLock::new()
    }
}

impl BiasedLock {
    /// A free lock.
    pub const fn new() -> BiasedLock {
        BiasedLock {
            lock: RawLock::new(),
            bias: Bias::new(),
        }
    }

    /// Takes the lock, sleeping if it stays taken.
    #[inline(always)]
    pub fn lock(&self) {
        let me = thread_number();
        if !self.bias.enter(me) {
            self.lock.lock();
            self.bias.entered_fully(me);
        }
    }

    /// Releases the lock. The lock must outlive the call, not only its effect.
    ///
    /// # Safety
    ///
    /// The calling thread took the lock.
    #[inline(always)]
    pub unsafe fn unlock(&self) {
        if !self.bias.leave(thread_number()) {
            // SAFETY: the caller's contract; not by the right, so by the lock itself.
            unsafe { self.lock.unlock() };
        }
    }
}
