//! Waiting for one bit of a word, which is a lock that is held for a few dozen
//! instructions: that of a queue.
//!
//! A second bit says that an OS thread sleeps until the first is cleared. It happens when
//! the kernel takes the processor from whoever holds the lock.
//!
//! The lost wake-up to fear: the contender falls asleep when the lock was just released.
//! It sets the second bit while the first is set, and looks at both again under the lock
//! of the OS-level sleep. Whoever releases clears both in one step and then, if the second
//! was set, wakes everybody who sleeps there: the contender sees the bits cleared, or is
//! woken.

use gorge_runtime::primitive::{may_spin, sleep, spin_hint};

/// How long a thread pauses before it looks again: two to the power of this, times the
/// shortest pause there is. In that time who has the lock again and again has it a dozen
/// times, without the line of memory travelling between their caches each time.
const FIRST_PAUSE: u32 = 6;

/// Each pause is twice as long as the one before it, up to this.
const LONGEST_PAUSE: u32 = 8;

/// How often a thread looks before it sleeps, as the kernel may have taken the processor
/// from whoever holds the lock.
const LOOKS: u32 = 16;

/// Counts the looks of one contender.
#[derive(Default)]
pub(crate) struct Looks(u32);

impl Looks {
    /// Waits a bit: first for the next look, then asleep at the address of the word.
    ///
    /// `announce` sets the second bit in one step with seeing the first; false if that did
    /// not work. `is_announced` says whether both are set; it only loads.
    #[cold]
    pub(crate) fn wait(
        &mut self,
        address: usize,
        announce: impl FnOnce() -> bool,
        is_announced: impl Fn() -> bool,
    ) {
        if self.0 < LOOKS && may_spin() {
            let pause = (self.0 + FIRST_PAUSE).min(LONGEST_PAUSE);
            self.0 += 1;
            return (0..1 << pause).for_each(|_| spin_hint());
        }
        if announce() {
            // SAFETY: the address is that of a word of this crate, which is slept on in this
            // sense only; the condition only loads.
            unsafe { sleep::sleep_while(address, is_announced) };
        }
    }
}
