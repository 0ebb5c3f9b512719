//! Reading together and writing alone, with parking_lot's interface.
//!
//! * [`word`]: the state word and its transitions.
//! * [`line`]: the two queues, in the one word beside it.
//! * [`raw`]: acquiring and releasing, built from them; [`traits`] names them as
//!   `lock_api` does.
//!
//! # The protocol
//!
//! There are two *tokens*, WRITER and UPGRADABLE, and one party at most has one.
//! Readers are counted, and come in while nobody has WRITER. Who wants to write
//! takes WRITER although others read: from then on no reader comes in, and it
//! *drains*, which is to wait until the count is zero. An upgrade is the same
//! from there on: UPGRADABLE becomes WRITER in one step, which no other party can
//! take meanwhile, so who upgrades comes before all who wait. So there are three
//! ways to wait, and each has its place:
//!
//! | wants | while | waits in |
//! | --- | --- | --- |
//! | to read | somebody has WRITER | the queue of readers |
//! | a token | somebody has one | the queue of the others |
//! | to drain, having WRITER | readers are counted | before the readers, DRAINING |
//!
//! A newcomer takes what is free with one compare-and-swap, whoever waits. A
//! party that cannot looks a few times more, unless others are queued already (two
//! that take the lock from each other are slower than one that has it again and again
//! while the other one sleeps), then locks the queues by a bit of
//! the word, links a node of its own stack into one, parks, and unlocks them once
//! it is off that stack.
//!
//! **Who is let in.** Whoever gives up a token while somebody is queued locks the
//! queues, and in one step unlocks them and makes its change; then it wakes whom
//! it has claimed. If somebody reads after the change (a downgrade, or a writer
//! that gave up), all queued readers are counted in that step: they read. If
//! nobody does, one waiter is woken, a reader first, as the *scout*: it competes
//! with whoever is running, because a lock that changed hands only through
//! sleepers would be idle for the length of a wake-up each time. A scout that
//! comes in, and is not a writer, lets in the other readers, and the next scout
//! is the first of those who want a token. A scout that loses goes back.
//!
//! **Fairness.** No reader comes in while a writer drains, so readers do not
//! starve writers; and when a writer leaves, all queued readers go before the
//! next writer that is queued, so writers do not starve readers. What is left is
//! the running party that overtakes those who sleep: a scout that loses after
//! having waited for a millisecond sets STARVING. The next party to give up its
//! token does not let go, but counts all queued readers and hands WRITER to the
//! first of the others, all in one step, so nobody can overtake. (One that wanted
//! UPGRADABLE changes WRITER for it when it wakes.)
//!
//! # The lost wake-up to fear
//!
//! A waiter sleeps in a queue, nothing is in its way, and nobody is going to wake
//! it. Call a waiter *eligible* if it wants to read and nobody has WRITER, or if
//! it wants a token and nobody has one. Between any two steps, where somebody
//! queued is eligible, there is a scout on its way (WOKEN), or a party that is
//! about to lock the queues and see to it. Follow it from hand to hand:
//!
//! 1. *A party queues* in the step in which it saw what is in its way. Whoever is
//!    in its way cannot leave past it: a release waits for the queues to be
//!    unlocked and then finds the node. The one that does not wait is that of a
//!    party that sees WOKEN, and then the scout will see to the node.
//! 2. *Who gives up a token* makes a scout of somebody who is eligible after it,
//!    or finds that a scout is on its way, or empties the queue of readers and
//!    hands on a token. When readers are let in and no token is held, the scout is
//!    one of the others. If nobody can be claimed, all of them timed out, and
//!    nobody eligible is queued.
//! 3. *A scout* ends its office in the step that shows it where it stands. It took
//!    WRITER: nobody is eligible. It reads, or took UPGRADABLE: it locks the
//!    queues and lets in the others. It found WRITER taken: nobody is eligible,
//!    and whoever has it is in the situation of point 2. It wants a token and found
//!    UPGRADABLE taken: readers may be eligible; it makes one of them the scout in
//!    its place before it goes back.
//! 4. *Newcomers* who take something make nobody eligible.
//! 5. *A waiter whose time is up* has claimed its own wait, so no waker has: it
//!    takes itself out of the queue and owes nothing. If it drains, it has WRITER,
//!    which it gives up as in point 2: those who queued behind it are let in.
//!
//! Readers who leave appear nowhere above: nobody queues because of a reader. The
//! second one to fear is theirs: a party drains, the last reader leaves, and does
//! not wake it. The party sets DRAINING and locks the queues in one step that sees
//! a reader. From then on the reader that brings the count to zero sees DRAINING in
//! that very step. It locks the queues, which waits until the party is queued; it
//! takes out the first node, and that one only, since the readers behind it are not in
//! the count; and it takes DRAINING back as it unlocks them. A party whose deadline was
//! faster finds its node gone, and writes.
//!
//! Or it finds its node there. If readers are counted, it takes DRAINING back in a step
//! that sees them, and gives up: they leave as if nobody had waited. If none is, the
//! last one is between its two steps, and will come to the queues of a lock that must
//! still be there: the party says that it is not queued (NO_SLEEPER), waits until
//! DRAINING is taken back, and writes. The same if it was not allowed to wait.
//!
//! The third is that of the queues' own lock bit: see [`bit_lock`](crate::bit_lock).
//!
//! **Why two steps never clash.** Only the holder of the queues lets others in,
//! and it does so either giving up a token, which nobody else can take before that
//! step, or while it reads or has UPGRADABLE itself, so that nobody writes before
//! that step even if WRITER is taken meanwhile.
//!
//! **Who may touch the lock when.** Whoever releases a lock touches it no more
//! after the step that did: the next holder may free it. That is why queues and
//! lock are let go of in the same step. One party comes back: the last reader before a
//! writer that sleeps. That writer has the lock, and keeps it, until DRAINING is taken
//! back, which is the last that the reader does to it. The loom models are in `loom.rs`.

mod line;
#[cfg(all(test, gorge_loom))]
mod loom;
mod raw;
#[cfg(all(test, not(gorge_loom)))]
mod tests;
#[cfg(not(gorge_loom))]
mod traits;
mod word;

pub use raw::RawRwLock;

/// A reader-writer lock for goroutines and OS threads.
///
/// Many may [`read`](lock_api::RwLock::read) the value inside at the same time, or
/// one may [`write`](lock_api::RwLock::write). One of the readers may be an
/// [upgradable](lock_api::RwLock::upgradable_read) one, which can become the writer
/// with nobody writing in between; and a writer may become a reader in the same
/// way. The interface is that of `parking_lot::RwLock`, of which this is the same
/// wrapper around another [`RawRwLock`].
///
/// Whoever has to wait is parked: a goroutine gives its thread to others, an OS
/// thread sleeps. Both may share one lock. No operation allocates, and a lock and
/// unlock that nobody contends, to read or to write, are two atomic instructions.
/// The lock itself takes two words.
///
/// Neither side starves the other. While a writer waits for readers to leave, new
/// readers wait behind it; when a writer leaves, all readers who wait go before
/// the next writer who does. Among those who want to write or to read upgradably
/// it is first come, first served. A running party may overtake those who sleep,
/// which is much faster than to wait for a sleeper to wake, but not for ever: from
/// the first time that a waiter of a millisecond or more is overtaken, the next
/// unlock hands over the lock.
/// [`RwLockWriteGuard::unlock_fair`](lock_api::RwLockWriteGuard::unlock_fair) hands
/// it over at once, and [`bump`](lock_api::RwLockWriteGuard::bump) does and queues
/// up again. Both know only those who wait already.
///
/// To read again what one reads already may deadlock, because a writer may have
/// queued in between:
/// [`read_recursive`](lock_api::RwLock::read_recursive) is for that.
///
/// Guards are [`Send`] where references to the value are: a goroutine may lock and
/// another one unlock. There is no poisoning: a panic unlocks, and the next one to
/// lock sees what the panic left.
///
/// # Examples
///
/// ```
/// use gorge_sync::{RwLock, RwLockUpgradableReadGuard};
/// use std::collections::HashMap;
///
/// static CACHE: RwLock<Option<HashMap<u32, String>>> = RwLock::new(None);
///
/// fn name_of(id: u32) -> String {
///     let cache = CACHE.upgradable_read();
///     if let Some(name) = cache.as_ref().and_then(|names| names.get(&id)) {
///         return name.clone();
///     }
///     let name = format!("number {id}");
///     let mut cache = RwLockUpgradableReadGuard::upgrade(cache);
///     cache.get_or_insert_default().insert(id, name.clone());
///     name
/// }
///
/// assert_eq!(name_of(7), "number 7");
/// assert_eq!(name_of(7), "number 7");
/// assert_eq!(CACHE.read().as_ref().map(HashMap::len), Some(1));
/// ```
///
/// # Panics
///
/// Locking and unlocking do not panic, short of more readers at a time than a word
/// can count. A `force_unlock` of what nobody holds, which its contract forbids,
/// panics where it is noticed: "RwLock: unlocked by writers more often than
/// locked", or by readers, or by upgradable readers. What the lock does for others
/// after that is not defined: they may wait for ever, or panic in turn.
///
/// To lock what one holds already waits for ever, but to read what one reads. A
/// runtime whose goroutines all wait reports a deadlock.
///
/// # Cancellation
///
/// No form of locking delivers a cancel: it stays pending until the goroutine
/// waits for something else. So a lock is never lost, and code that locks in
/// order to clean up runs to its end.
#[cfg(not(gorge_loom))]
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

/// The right to read the value of an [`RwLock`], which ends when it is dropped.
#[cfg(not(gorge_loom))]
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// The right to change the value of an [`RwLock`], which ends when it is dropped.
#[cfg(not(gorge_loom))]
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// The right to read the value of an [`RwLock`], and to become its writer, which
/// nobody else can before this one ends.
#[cfg(not(gorge_loom))]
pub type RwLockUpgradableReadGuard<'a, T> = lock_api::RwLockUpgradableReadGuard<'a, RawRwLock, T>;

/// An [`RwLockReadGuard`] narrowed to a part of the value by
/// [`RwLockReadGuard::map`](lock_api::RwLockReadGuard::map).
#[cfg(not(gorge_loom))]
pub type MappedRwLockReadGuard<'a, T> = lock_api::MappedRwLockReadGuard<'a, RawRwLock, T>;

/// An [`RwLockWriteGuard`] narrowed to a part of the value by
/// [`RwLockWriteGuard::map`](lock_api::RwLockWriteGuard::map).
#[cfg(not(gorge_loom))]
pub type MappedRwLockWriteGuard<'a, T> = lock_api::MappedRwLockWriteGuard<'a, RawRwLock, T>;

/// A lock with this value inside: [`RwLock::new`](lock_api::RwLock::new), by the name
/// that parking_lot has for it.
#[cfg(not(gorge_loom))]
pub const fn const_rwlock<T>(value: T) -> RwLock<T> {
    RwLock::new(value)
}
