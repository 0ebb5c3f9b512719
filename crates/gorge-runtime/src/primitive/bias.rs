//! The right of one thread to a lock, without an atomic read-modify-write.
//!
//! A lock that one thread takes again and again while nobody else does is *biased*
//! towards it: that thread, the *owner*, enters and leaves by plain stores. Goroutines
//! that talk to each other mostly run on one thread, so their channel's lock is such a
//! lock, and the read-modify-writes would be most of what an operation costs.
//!
//! ```text
//!   owner                               another thread, which has the full lock
//!     held = 1                            owner = nobody
//!     light()                             heavy()
//!     look whether it is still the owner  wait until held = 0
//! ```
//!
//! What to fear is that both go on. By the asymmetric [`barrier`], either the owner's
//! look sees that the right was revoked, and it withdraws, or the other one sees `held`,
//! and waits. Once it has waited, the owner is in no one's way: it cannot enter any more.
//!
//! Where the kernel has no such barrier no right is ever given.
//!
//! To revoke costs a system call of a microsecond or two, so the right is given only
//! after a number of times that has paid for it, and that number grows each time.
//!
//! **Why the owner's late store harms nobody.** A thread that saw that it is the owner may
//! be interrupted before it stores `held`, and do so long after it was revoked, when the
//! next owner has the lock. So each right has a `held` of its own, that nobody else ever
//! writes, and there are only [`RIGHTS`] for the life of a lock.
//!
//! The idea is that of Dice, Moir and Scherer's *Quickly Reacquirable Locks*, 2010.

use super::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use super::{barrier, sleep, spin_hint};

/// How often a lock is biased, at most.
const RIGHTS: usize = 4;

/// So often in a row a thread has taken the lock before it has the first right; for each
/// further one it is sixteen times as often.
#[cfg(not(gorge_loom))]
const FIRST_AFTER: u32 = 256;
#[cfg(gorge_loom)]
const FIRST_AFTER: u32 = 0;

/// How often whoever revokes the right looks before it sleeps.
const LOOKS: u32 = if cfg!(gorge_loom) { 0 } else { 1000 };

/// The right is valid. Otherwise it is the last one, which was revoked.
const VALID: usize = RIGHTS;

/// The bits of `owner` that are not the thread's number.
const RIGHT_AND_VALID: usize = 2 * RIGHTS - 1;

/// See the module's description.
pub(super) struct Bias {
    /// A thread, which right it has, and whether that is valid.
    owner: AtomicUsize,
    /// For each right, whether its owner is in, or about to find out that it may not.
    held: [AtomicU8; RIGHTS],
    /// Somebody sleeps until the owner has left.
    is_awaited: AtomicU8,
    /// How many rights there were. Under the full lock, as all below.
    rights: AtomicU8,
    /// How often in a row it was taken by the same thread.
    times: AtomicU32,
    /// The last thread that took it, cut to what fits: to take two threads for one only
    /// makes a right be given in vain.
    last: AtomicU32,
}

impl Bias {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> Bias {
        Bias {
            owner: AtomicUsize::new(0),
            held: [const { AtomicU8::new(0) }; RIGHTS],
            is_awaited: AtomicU8::new(0),
            rights: AtomicU8::new(0),
            times: AtomicU32::new(0),
            last: AtomicU32::new(0),
        }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new() -> Bias {
        Bias {
            owner: AtomicUsize::new(0),
            held: std::array::from_fn(|_| AtomicU8::new(0)),
            is_awaited: AtomicU8::new(0),
            rights: AtomicU8::new(0),
            times: AtomicU32::new(0),
            last: AtomicU32::new(0),
        }
    }

    /// Thread `me`: enters if it has the right. Else it takes the full lock, and then
    /// calls [`entered_fully`](Bias::entered_fully).
    #[inline(always)]
    pub(super) fn enter(&self, me: usize) -> bool {
        // Relaxed: it is the thread's own, or of no use to it.
        let owner = self.owner.load(Ordering::Relaxed);
        let right = (owner ^ me).wrapping_sub(VALID);
        let Some(held) = self.held.get(right) else {
            return false;
        };
        held.store(1, Ordering::Relaxed);
        // Pairs with the heavy barrier of `revoke`.
        barrier::light_where_asymmetric();
        if self.owner.load(Ordering::Relaxed) == owner {
            return true;
        }
        self.let_go(held);
        false
    }

    /// Thread `me`: leaves, if it entered by its right.
    #[inline(always)]
    pub(super) fn leave(&self, me: usize) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner & !RIGHT_AND_VALID != me {
            return false;
        }
        let held = &self.held[owner % RIGHTS];
        let was_held = held.load(Ordering::Relaxed) != 0;
        if was_held {
            self.let_go(held);
        }
        was_held
    }

    #[inline(always)]
    fn let_go(&self, held: &AtomicU8) {
        // Release: pairs with the Acquire in `revoke`, for what was done inside.
        held.store(0, Ordering::Release);
        // Pairs with the heavy barrier of `sleep`.
        barrier::light_where_asymmetric();
        if self.is_awaited.load(Ordering::Relaxed) != 0 {
            // SAFETY: the address is this one's own.
            unsafe { sleep::wake_all(self.address()) };
        }
    }

    /// Thread `me`, which has the full lock: revokes another one's right, and gets one
    /// if it is time.
    #[inline(always)]
    pub(super) fn entered_fully(&self, me: usize) {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner & VALID != 0 {
            self.revoke(owner);
        }
        let short = (me >> RIGHT_AND_VALID.count_ones()) as u32;
        if self.last.load(Ordering::Relaxed) != short {
            self.last.store(short, Ordering::Relaxed);
            self.times.store(0, Ordering::Relaxed);
            return;
        }
        let times = self.times.load(Ordering::Relaxed).saturating_add(1);
        self.times.store(times, Ordering::Relaxed);
        let rights = self.rights.load(Ordering::Relaxed);
        if times > FIRST_AFTER << (4 * rights) {
            self.give_right(me, rights);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_right(&self, me: usize, rights: u8) {
        // Where the barrier is not asymmetric the owner would need a fence, which it leaves
        // out, and which would cost as much as a right saves.
        if usize::from(rights) == RIGHTS || !barrier::is_asymmetric() {
            self.times.store(0, Ordering::Relaxed);
            return;
        }
        self.rights.store(rights + 1, Ordering::Relaxed);
        let owner = me | usize::from(rights) | VALID;
        // Relaxed: `me` itself will use it, and who revokes it finds it under the lock.
        self.owner.store(owner, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn revoke(&self, owner: usize) {
        self.times.store(0, Ordering::Relaxed);
        self.owner.store(owner & !VALID, Ordering::Relaxed);
        // Pairs with the light barrier of `enter`.
        barrier::heavy();
        let held = &self.held[owner % RIGHTS];
        // Acquire: pairs with the Release in `let_go`.
        let is_held = || held.load(Ordering::Acquire) != 0;
        let mut looks = 0;
        while is_held() {
            if looks < LOOKS {
                looks += 1;
                spin_hint();
            } else {
                self.sleep(is_held);
            }
        }
        self.is_awaited.store(0, Ordering::Relaxed);
    }

    /// The owner was interrupted by the kernel inside.
    #[cold]
    fn sleep(&self, is_held: impl Fn() -> bool) {
        self.is_awaited.store(1, Ordering::Relaxed);
        // Pairs with the light barrier of `let_go`: either that side sees that it is
        // awaited, or we see that it has left.
        barrier::heavy();
        // SAFETY: the address is this one's own, and the condition only loads.
        unsafe { sleep::sleep_while(self.address(), is_held) };
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

#[cfg(all(test, gorge_loom))]
mod loom {
    //! The owner by its right against others with the full lock: one at a time, and each
    //! sees what the one before it wrote.

    use super::Bias;
    use crate::primitive::{RawLock, UnsafeCell};
    use ::loom::thread;
    use std::sync::Arc;

    struct Shared {
        bias: Bias,
        lock: RawLock,
        count: UnsafeCell<u32>,
    }

    // SAFETY: the count is touched inside the lock.
    unsafe impl Send for Shared {}
    // SAFETY: as above.
    unsafe impl Sync for Shared {}

    impl Shared {
        fn new() -> Arc<Shared> {
            Arc::new(Shared {
                bias: Bias::new(),
                lock: RawLock::new(),
                count: UnsafeCell::new(0),
            })
        }

        /// As `BiasedLock`. Returns whether it was by right.
        fn add(&self, me: usize) -> bool {
            let by_right = self.bias.enter(me);
            if !by_right {
                self.lock.lock();
                self.bias.entered_fully(me);
            }
            // SAFETY: inside the lock; loom checks that nobody else is.
            self.count.with_mut(|count| unsafe { *count += 1 });
            assert_eq!(self.bias.leave(me), by_right);
            if !by_right {
                // SAFETY: locked above.
                unsafe { self.lock.unlock() };
            }
            by_right
        }
    }

    const A: usize = 8;
    const B: usize = 16;

    fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    }

    #[test]
    fn an_owner_and_one_who_revokes_its_right_exclude_each_other() {
        check(3, || {
            let shared = Shared::new();
            assert!(!shared.add(A));
            assert!(!shared.add(A));
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.add(B))
            };
            shared.add(A);
            shared.add(A);
            assert!(!other.join().unwrap());
            shared.count.with_mut(|count| {
                // SAFETY: the other thread has ended.
                assert_eq!(unsafe { *count }, 5);
            });
        });
    }

    #[test]
    fn a_former_owner_is_in_the_way_of_nobody() {
        check(3, || {
            let shared = Shared::new();
            shared.add(A);
            shared.add(A);
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // The second gives it a right of its own, unless A comes between.
                    shared.add(B);
                    shared.add(B);
                    shared.add(B);
                })
            };
            shared.add(A);
            other.join().unwrap();
            shared.add(A);
            shared.count.with_mut(|count| {
                // SAFETY: the other thread has ended.
                assert_eq!(unsafe { *count }, 7);
            });
        });
    }
}
