//! A lock of two words for short critical sections, on any thread.
//!
//! It blocks the OS thread, so it is held only for a few dozen instructions:
//! never across a park, user code, an allocation, a drop or a wake-up. `lock`
//! costs one read-modify-write, `unlock` none.
//!
//! A thread that finds the lock taken looks again after a pause, and each time after
//! one twice as long. So of two threads that both want it all the time, one has it many
//! times before the other, and the line of memory that it lies in does not travel between
//! their caches each time.
//!
//! The lost wake-up to fear: a thread finds the lock taken and goes to sleep,
//! while the holder releases it and sees nobody to wake. The sleeper announces
//! itself in `sleepers`, runs the heavy barrier, and looks at `locked` again
//! under the parking lot's bucket lock; the holder clears `locked`, runs the
//! light barrier, and then looks at `sleepers`. One of them sees the other
//! (see [`barrier`]): either the holder wakes a sleeper,
//! or the sleeper finds the lock free and does not sleep.
//!
//! Who wakes the last sleeper takes the announcement back, under the bucket lock, so that
//! the unlocks until that has woken up need not look for it. A sleeper that has announced
//! itself meanwhile, and is not in the bucket yet, finds its announcement gone when it
//! looks there, and makes it again. Or it finds that of another one, and sleeps on that:
//! the other has its barrier and its look still before it, so it gets the lock, or sleeps
//! while a later holder is bound to see the flag. While somebody is in the bucket the flag
//! is taken back by nobody who has not taken out the last, so that holder wakes the first.

use super::atomic::{AtomicU32, Ordering};
use super::{barrier, spin_hint};

/// How long a thread pauses before it looks again: two to the power of this, times the
/// shortest pause there is. It is the time of dozens of critical sections, so that who has
/// the lock again and again has it that often before the other one comes. Measured with
/// channels: shorter pauses make two threads two to three times slower than one, half of this
/// a select among channels that others are busy with a fifth slower.
const FIRST_PAUSE: u32 = 8;

/// Each pause is twice as long as the one before it, up to this.
const LONGEST_PAUSE: u32 = 9;

/// How often a thread looks before it sleeps. Another one that has the lock again and again
/// has it at most of these looks. To fall asleep costs a barrier that stops all threads of
/// the process for a moment, and is right only where the kernel has taken the processor from
/// whoever has the lock, which is rare.
const LOOKS: u32 = 32;

/// A lock without data. The holder may release it from another stack.
pub struct RawLock {
    locked: AtomicU32,
    /// Somebody sleeps, or is about to.
    sleepers: AtomicU32,
}

impl Default for RawLock {
    fn default() -> Self {
        RawLock::new()
    }
}

impl RawLock {
    /// A free lock.
    pub const fn new() -> RawLock {
        RawLock {
            locked: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> bool {
        // Acquire: pairs with the Release of `unlock`.
        self.locked
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the lock, sleeping if it stays taken.
    #[inline]
    pub fn lock(&self) {
        if !self.try_lock() {
            self.lock_slow();
        }
    }

    #[cold]
    fn lock_slow(&self) {
        for look in 0..LOOKS {
            for _ in 0..1 << (look + FIRST_PAUSE).min(LONGEST_PAUSE) {
                spin_hint();
            }
            if self.locked.load(Ordering::Relaxed) == 0 && self.try_lock() {
                return;
            }
        }
        self.lock_sleeping();
    }

    /// Not inlined: it uses thread-locals, whose addresses must not be kept by a
    /// caller that parks and goes on elsewhere.
    #[inline(never)]
    fn lock_sleeping(&self) {
        loop {
            self.sleepers.store(1, Ordering::Relaxed);
            // Pairs with the light barrier of `unlock`.
            barrier::heavy();
            if self.try_lock() {
                return;
            }
            let must_sleep = || {
                let announced = self.sleepers.load(Ordering::Relaxed) != 0;
                announced && self.locked.load(Ordering::Relaxed) != 0
            };
            // SAFETY: the key is the address of this lock, which nobody else
            // parks on; the callbacks neither panic nor call the parking lot.
            unsafe {
                parking_lot_core::park(
                    self.key(),
                    must_sleep,
                    || {},
                    |_, _| {},
                    parking_lot_core::DEFAULT_PARK_TOKEN,
                    None,
                );
            }
            if self.try_lock() {
                return;
            }
        }
    }

    /// Releases the lock. The lock must outlive the call, not only its effect.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, or was given it by the holder.
    #[inline]
    pub unsafe fn unlock(&self) {
        // Release: what was done under the lock is seen by the next holder.
        self.locked.store(0, Ordering::Release);
        // Pairs with the heavy barrier of `lock_sleeping`.
        barrier::light();
        if self.sleepers.load(Ordering::Relaxed) != 0 {
            self.wake_one();
        }
    }

    /// Not inlined, as `lock_sleeping`.
    #[cold]
    #[inline(never)]
    fn wake_one(&self) {
        // SAFETY: the key is this lock's address, as in `lock_sleeping`.
        unsafe {
            parking_lot_core::unpark_one(self.key(), |result| {
                let others = u32::from(result.have_more_threads);
                self.sleepers.store(others, Ordering::Relaxed);
                parking_lot_core::DEFAULT_UNPARK_TOKEN
            });
        }
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;
    use std::thread;

    struct Shared(RawLock, UnsafeCell<u64>);
    // SAFETY: the cell is touched under the lock only.
    unsafe impl Sync for Shared {}

    #[test]
    fn threads_exclude_each_other_and_none_is_left_asleep() {
        let shared = Shared(RawLock::new(), UnsafeCell::new(0));
        let shared = &shared;
        thread::scope(|scope| {
            let count = move || {
                for _ in 0..50_000 {
                    shared.0.lock();
                    // SAFETY: under the lock, which is held.
                    unsafe {
                        *shared.1.get() += 1;
                        shared.0.unlock();
                    }
                }
            };
            // Joined one by one: a sanitizer does not see a scope's own join.
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            for thread in threads {
                thread.join().expect("it counted");
            }
        });
        // SAFETY: all threads have ended.
        assert_eq!(unsafe { *shared.1.get() }, 400_000);
    }
}
