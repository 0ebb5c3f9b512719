//! Mutual exclusion, with parking_lot's interface.
//!
//! * [`word`]: the state word and its transitions.
//! * [`raw`]: acquiring and releasing, built from them.
//! * [`turn`]: when an unlock hands over though nobody has asked for it.
//! * the queue of waiters: [`crate::queue`].
//!
//! # The protocol
//!
//! A newcomer takes a free mutex with one compare-and-swap, and a holder for
//! whom nobody waits lets go with another. A party that finds the mutex taken
//! looks a few times more, then locks the queue by a bit of the word, links a
//! node of its own stack into it, parks, and unlocks the queue once it is off
//! that stack. A holder that finds a queue locks it, takes out the first waiter
//! that it can claim, and in one step unlocks the queue and lets the mutex go;
//! then it wakes that waiter. The waiter competes with whoever is running: a
//! mutex that changed hands only through sleepers would be idle for the length
//! of a wake-up each time. If it loses, it goes back to the front of the queue.
//!
//! **Fairness.** A waiter that loses, and loses again up to a millisecond later, is
//! marked. The next unlock does not let go but hands the mutex to it, LOCKED
//! all the while, so nobody can overtake. (The time before it first lost does not
//! count: where many wait their turn, all have waited long, and each would cut short
//! the turn of the one before it.) That is not enough where the waiter that
//! was woken does not get to run: it is at home on the thread whose goroutine takes
//! the mutex again and again. So who goes on unlocking while others wait hands over
//! about a millisecond after it got the mutex in any case ([`turn`]).
//!
//! # The lost wake-up to fear
//!
//! A waiter sleeps in the queue, the mutex is free, and nobody is going to wake
//! it. It cannot happen, because a queue that is not empty is always somebody's
//! *duty*: the holder's (LOCKED), or that of a waiter who was woken to compete
//! (WOKEN). Follow the duty from hand to hand:
//!
//! 1. *It begins* when a party queues. In the step in which it locked the queue
//!    it saw LOCKED. From then on the holder cannot let go past it: if the queue
//!    is locked, a release waits for it, and then finds the node. The one
//!    release that does not wait is that of a holder who sees WOKEN, and then
//!    the duty is the woken waiter's.
//! 2. *A holder discharges it* by letting go with WOKEN already set (the duty
//!    passes to the woken waiter), by setting WOKEN for the waiter it claimed,
//!    or by handing over to a waiter, which then is the holder. If no queued
//!    waiter can be claimed, then all of them timed out: the queue is empty, and
//!    so is the duty.
//! 3. *A woken waiter discharges it* by the step that clears WOKEN, which either
//!    sets LOCKED, and it is the holder; or sees LOCKED while it locks the queue
//!    in order to wait again, and then there is a holder, who has not let go
//!    before that step, and after it is in the situation of point 1. There is
//!    one woken waiter at most, so nobody clears another's flag.
//! 4. *A waiter whose time is up* has claimed its own wait, so no waker has: it
//!    takes itself out of the queue and owes nothing. A woken waiter has no
//!    deadline until it queues again, without WOKEN. The same holds for a waiter
//!    of a condition variable whose wait is ended by a cancel: it is not woken, or
//!    the cancel stays pending.
//! 5. *Waiters that a condition variable passes on* are queued by its notifier, who
//!    may see the mutex free. In the step in which it locked the queue it saw LOCKED
//!    or WOKEN, and then the duty is that party's, as in points 1 and 3: what either
//!    does next about the queue waits for its lock, or is a step that makes a woken
//!    waiter the holder. Or it saw neither: then nobody was queued, and the notifier
//!    begins a duty that it discharges at once as a release does, by setting WOKEN
//!    for the first that it can claim. Nobody else sets WOKEN meanwhile, because
//!    that takes the queue's lock; somebody may take the mutex, and then the woken
//!    waiter finds it taken, as any may.
//!
//! The second one to fear is that of the queue's own lock bit, whose contenders
//! may sleep too: see [`bit_lock`](crate::bit_lock).
//!
//! **Who may touch the mutex when.** Whoever releases a mutex touches it no more
//! after the step that did: the next holder may free it. That is why queue and
//! mutex are let go of in the same step. The loom models are in `loom.rs`.

mod raw;
mod turn;
mod word;

#[cfg(all(test, gorge_loom))]
mod loom;
#[cfg(all(test, not(gorge_loom)))]
mod tests;

pub use raw::RawMutex;

/// A mutual exclusion lock for goroutines and OS threads.
///
/// A lock protects the value inside it: [`lock`](lock_api::Mutex::lock) returns
/// a guard through which the value is read and written, and which unlocks when
/// it is dropped. The interface is that of `parking_lot::Mutex`, of which this
/// is the same wrapper around another [`RawMutex`].
///
/// While the lock is taken, a goroutine parks, and its thread runs others; an OS
/// thread sleeps. Both may share one lock. Neither operation allocates, and a
/// lock and unlock that nobody contends are two atomic instructions. The lock
/// itself takes one word.
///
/// Waiters are served first come, first served, except that a running party may
/// overtake them, which is much faster than to wait for a sleeper to wake.
/// Nobody is overtaken for ever: a waiter that was overtaken, and is overtaken again
/// a millisecond later, gets the lock handed over by the next unlock.
/// [`MutexGuard::unlock_fair`](lock_api::MutexGuard::unlock_fair) hands the lock
/// over at once, and [`MutexGuard::bump`](lock_api::MutexGuard::bump) does and
/// queues up again. Both know only those who wait already.
///
/// Guards are [`Send`] where the value is: a goroutine may lock and another one
/// unlock. There is no poisoning: a panic unlocks, and the next one to lock sees
/// what the panic left.
///
/// # Examples
///
/// ```
/// use gorge_sync::Mutex;
/// use std::sync::Arc;
///
/// static VISITS: Mutex<u64> = Mutex::new(0);
///
/// let names = Arc::new(Mutex::new(Vec::new()));
/// let handles: Vec<_> = (0..4)
///     .map(|i| {
///         let names = Arc::clone(&names);
///         std::thread::spawn(move || {
///             *VISITS.lock() += 1;
///             names.lock().push(format!("visitor {i}"));
///         })
///     })
///     .collect();
/// for handle in handles {
///     handle.join().unwrap();
/// }
/// assert_eq!(*VISITS.lock(), 4);
/// assert_eq!(names.lock().len(), 4);
/// ```
///
/// # Panics
///
/// Locking and unlocking do not panic. A `force_unlock` of a lock that nobody
/// holds, which its contract forbids, panics where it is noticed:
/// "Mutex: unlocked more often than locked".
///
/// To lock a mutex that one holds already waits for ever. A runtime whose
/// goroutines all wait reports a deadlock.
///
/// # Cancellation
///
/// No form of locking delivers a cancel: it stays pending until the goroutine
/// waits for something else. So a lock is never lost, and code that locks in
/// order to clean up runs to its end.
#[cfg(not(gorge_loom))]
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;

/// The right to the value of a [`Mutex`], which unlocks when it is dropped.
#[cfg(not(gorge_loom))]
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;

/// A [`MutexGuard`] narrowed to a part of the value by
/// [`MutexGuard::map`](lock_api::MutexGuard::map).
#[cfg(not(gorge_loom))]
pub type MappedMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawMutex, T>;

/// A mutex with this value inside: [`Mutex::new`](lock_api::Mutex::new), by the name
/// that parking_lot has for it.
#[cfg(not(gorge_loom))]
pub const fn const_mutex<T>(value: T) -> Mutex<T> {
    Mutex::new(value)
}
