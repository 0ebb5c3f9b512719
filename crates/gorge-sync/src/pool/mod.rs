//! Items that are used again, instead of being made anew.
//!
//! * `cache`: some idle items, under a lock.
//! * `idle`: a cache per processor, and how items get in and out.
//! * `guard`: an item in use.
//!
//! Nobody waits for an item, so no wake-up can be lost. What has to be feared is
//! code of users, `init` and the items' `drop`, which may park, panic or use the
//! same pool: it never runs under a lock. And goroutines that go on at another
//! processor in between: a cache is looked up by the number of the place, used
//! under its lock and left, and nothing of it is kept while anything else runs.

mod cache;
mod guard;
mod idle;
#[cfg(all(test, gorge_loom))]
mod loom;

pub use guard::PoolGuard;

use self::idle::Idle;
use gorge_runtime::preempt;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use std::fmt;

/// How many idle items a cache keeps, unless the pool says otherwise.
const CAPACITY: usize = 64;

/// Keeps items that are not in use now, for whoever needs one next.
///
/// For what is costly to make and often needed for a short time, such as buffers.
/// [`get`](Pool::get) returns an idle item, or a new one made by `init` if there is
/// none, and never waits. The item goes back when the [`PoolGuard`] is dropped, on
/// whichever goroutine or thread, **as it is**: also if its user panicked or was
/// cancelled. So bring it into order when you get it.
///
/// Every processor has a cache of its own, so those who use the pool do not get
/// into each other's way. Who finds its cache empty takes an item from another
/// one. Items are interchangeable: nothing is promised about which one comes.
///
/// # What it keeps
///
/// This is Go's `sync.Pool` without a garbage collector that empties it. Here a
/// number bounds what is kept: 64 idle items for each processor of the machine, or
/// as many as [`with_capacity`](Pool::with_capacity) says. An item that comes back
/// when all caches are full is dropped. There is no other bound: neither time nor
/// want of memory makes a pool let go of items by itself. To give memory back,
/// call [`shrink`](Pool::shrink) now and then, which lets go of what nobody has
/// needed since the last time, or [`clear`](Pool::clear). The memory for the caches
/// themselves is allocated when the first item comes back; after that, only `init`
/// and the items allocate, and `shrink` and `clear` for a moment.
///
/// # Examples
///
/// ```
/// use gorge_sync::Pool;
///
/// static BUFFERS: Pool<Vec<u8>> = Pool::new(|| Vec::with_capacity(4096));
///
/// fn greet(name: &str) -> usize {
///     let mut buffer = BUFFERS.get();
///     buffer.clear();
///     buffer.extend_from_slice(b"hello ");
///     buffer.extend_from_slice(name.as_bytes());
///     buffer.len()
/// }
///
/// assert_eq!(greet("gopher"), 12);
/// assert_eq!(greet("crab"), 10);
/// assert_eq!(BUFFERS.created(), 1);
/// ```
///
/// A pool cannot go before its items:
///
/// ```compile_fail,E0505
/// let pool = gorge_sync::Pool::new(String::new);
/// let line = pool.get();
/// drop(pool);
/// drop(line);
/// ```
///
/// # Panics
///
/// A panic of `init` continues in `get`, and leaves the pool as it was.
///
/// # Cancellation
///
/// No operation delivers a cancel, unless `init` or the `drop` of an item does.
pub struct Pool<T, F = fn() -> T> {
    idle: Idle<T>,
    created: AtomicUsize,
    init: F,
}

impl<T, F> Pool<T, F> {
    /// An empty pool, whose items `init` makes.
    #[cfg(not(gorge_loom))]
    pub const fn new(init: F) -> Pool<T, F>
    where
        F: Fn() -> T,
    {
        Pool::with_capacity(init, CAPACITY)
    }

    /// As [`new`](Pool::new), but each cache keeps `capacity` idle items at most,
    /// and has memory for them. There is a cache for each processor of the machine
    /// (their number rounded up to a power of two, 64 at most). With a capacity of
    /// zero nothing is kept.
    ///
    /// ```
    /// let pool = gorge_sync::Pool::with_capacity(String::new, 0);
    /// drop(pool.get());
    /// assert_eq!(pool.idle(), 0);
    /// ```
    #[cfg(not(gorge_loom))]
    pub const fn with_capacity(init: F, capacity: usize) -> Pool<T, F>
    where
        F: Fn() -> T,
    {
        Pool {
            idle: Idle::new(capacity),
            created: AtomicUsize::new(0),
            init,
        }
    }

    /// An idle item, or a new one if there is none.
    ///
    /// It may be a new one also when an item is idle, if that one is just being
    /// given back.
    ///
    /// # Panics
    ///
    /// If `init` does.
    #[inline]
    pub fn get(&self) -> PoolGuard<'_, T>
    where
        F: Fn() -> T,
    {
        preempt::point_at_without_cancel("take from a pool");
        let item = self.idle.take().unwrap_or_else(|| self.create());
        PoolGuard::new(&self.idle, item)
    }

    /// An idle item, if there is one.
    #[inline]
    pub fn try_get(&self) -> Option<PoolGuard<'_, T>> {
        preempt::point_at_without_cancel("take from a pool");
        Some(PoolGuard::new(&self.idle, self.idle.take()?))
    }

    /// Gives the pool an item, wherever that comes from.
    ///
    /// ```
    /// let pool = gorge_sync::Pool::new(|| 0);
    /// pool.put(5);
    /// assert_eq!(*pool.get(), 5);
    /// assert_eq!(pool.created(), 0);
    /// ```
    #[inline]
    pub fn put(&self, item: T) {
        preempt::point_at_without_cancel("give to a pool");
        self.idle.put(item);
    }

    /// How often `init` has made an item. If it grows all the time, items do not
    /// come back, or the pool keeps too few.
    pub fn created(&self) -> usize {
        preempt::point_at_without_cancel("look at a pool");
        self.created.load(Ordering::Relaxed)
    }

    /// About how many items are idle: others get some and give some back.
    pub fn idle(&self) -> usize {
        preempt::point_at_without_cancel("look at a pool");
        self.idle.len()
    }

    /// Drops the idle items that nobody has needed since the last `shrink`.
    ///
    /// So an item that is not needed any more survives the first one and is
    /// dropped by the second. Call it as often as memory shall be given back.
    ///
    /// ```
    /// let pool = gorge_sync::Pool::new(String::new);
    /// pool.put("never needed".to_owned());
    /// pool.shrink();
    /// assert_eq!(pool.idle(), 1);
    /// pool.shrink();
    /// assert_eq!(pool.idle(), 0);
    /// ```
    pub fn shrink(&self) {
        preempt::point_at_without_cancel("empty a pool");
        self.idle.shrink();
    }

    /// Drops all idle items.
    pub fn clear(&self) {
        preempt::point_at_without_cancel("empty a pool");
        self.idle.clear();
    }

    #[cold]
    #[inline(never)]
    fn create(&self) -> T
    where
        F: Fn() -> T,
    {
        let item = (self.init)();
        self.created.fetch_add(1, Ordering::Relaxed);
        item
    }
}

impl<T, F> fmt::Debug for Pool<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle.len())
            .field("created", &self.created.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
