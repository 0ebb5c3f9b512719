//! A [`RawLock`] that is cheaper for the thread that mostly has it.

use super::RawLock;
#[cfg(debug_assertions)]
use super::atomic::{AtomicUsize, Ordering};
use super::bias::Bias;
use super::thread_number;

/// As [`RawLock`], but without a read-modify-write where one thread has the lock again
/// and again and no other wants it. Where several do it costs a few instructions more.
///
/// It may be released from another stack, but by the same thread.
#[repr(C)]
pub struct BiasedLock {
    bias: Bias,
    lock: RawLock,
    /// The thread that has it, to be compared.
    #[cfg(debug_assertions)]
    holder: AtomicUsize,
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
            #[cfg(debug_assertions)]
            holder: AtomicUsize::new(0),
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
        #[cfg(debug_assertions)]
        assert_eq!(self.holder.swap(me, Ordering::Relaxed), 0, "two have it");
    }

    /// Releases the lock. The lock must outlive the call, not only its effect.
    ///
    /// # Safety
    ///
    /// The calling thread took the lock.
    #[inline(always)]
    pub unsafe fn unlock(&self) {
        #[cfg(debug_assertions)]
        assert_eq!(
            self.holder.swap(0, Ordering::Relaxed),
            thread_number(),
            "released by another thread than took it"
        );
        if !self.bias.leave(thread_number()) {
            // SAFETY: the caller's contract; not by the right, so by the lock itself.
            unsafe { self.lock.unlock() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BiasedLock;
    use std::cell::UnsafeCell;
    use std::thread;

    #[derive(Default)]
    struct Shared(BiasedLock, UnsafeCell<u64>);
    // SAFETY: the cell is touched inside the lock only.
    unsafe impl Sync for Shared {}

    impl Shared {
        fn add(&self, times: u64) {
            for _ in 0..times {
                self.0.lock();
                // SAFETY: inside the lock, which this thread has.
                unsafe {
                    *self.1.get() += 1;
                    self.0.unlock();
                }
            }
        }
    }

    /// Long enough alone for a right, then with others, who revoke it, again and again.
    #[test]
    fn owners_and_others_exclude_each_other() {
        let shared = Shared::default();
        thread::scope(|scope| {
            // Joined one by one: a sanitizer does not see a scope's own join.
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..10).for_each(|_| shared.add(2_000))))
                .collect();
            for thread in threads {
                thread.join().expect("it counted");
            }
        });
        shared.add(10_000);
        thread::scope(|scope| {
            let other = scope.spawn(|| shared.add(100_000));
            shared.add(100_000);
            other.join().expect("it counted");
        });
        // SAFETY: all threads have ended.
        assert_eq!(unsafe { *shared.1.get() }, 290_000);
    }

    #[test]
    fn threads_that_come_one_after_another_each_find_it_free() {
        let shared = Shared::default();
        for _ in 0..20 {
            thread::scope(|scope| {
                let alone = scope.spawn(|| shared.add(5_000));
                alone.join().expect("it counted");
            });
        }
        // SAFETY: all threads have ended.
        assert_eq!(unsafe { *shared.1.get() }, 100_000);
    }
}
