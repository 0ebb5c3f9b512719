//! A thread's own cache in front of a pool: taking and giving back costs no
//! atomic operation.

use super::pool::Lease;
use super::{Stack, StackError, StackPool};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::rc::Rc;

/// Stacks that a thread keeps, at most.
const IDLE_MAX: usize = 64;

/// A source of stacks for one thread. Clones share it.
///
/// # Examples
///
/// ```
/// use gorge_coroutine::{Coroutine, LocalStackPool, StackPool};
///
/// let pool = LocalStackPool::new(StackPool::new(64 * 1024).unwrap());
/// for n in 0..1000u32 {
///     let mut double = Coroutine::with_stack(pool.take().unwrap(), |_: &_, n: u32| n * 2);
///     let result: gorge_coroutine::CoroutineResult<(), u32> = double.resume(n);
///     assert_eq!(result.as_return(), Some(n * 2));
/// }
/// ```
#[derive(Clone)]
pub struct LocalStackPool {
    cache: Rc<Cache>,
}

struct Cache {
    pool: StackPool,
    /// The pool's: bytes per stack.
    reserve: usize,
    idle: RefCell<Vec<Lease>>,
    /// The last one given back, which is usually the next one taken.
    hottest: Cell<Option<Lease>>,
}

impl LocalStackPool {
    /// A cache for stacks of `pool`.
    pub fn new(pool: StackPool) -> LocalStackPool {
        let cache = Cache {
            reserve: pool.reserve(),
            idle: RefCell::new(Vec::with_capacity(IDLE_MAX)),
            hottest: Cell::new(None),
            pool,
        };
        LocalStackPool {
            cache: Rc::new(cache),
        }
    }

    /// Takes a stack: the one returned last, or one of the pool's.
    ///
    /// # Errors
    ///
    /// As for [`StackPool::take`].
    #[inline]
    pub fn take(&self) -> Result<LocalStack, StackError> {
        let lease = match self.cache.hottest.take() {
            Some(lease) => lease,
            None => self.cache.take_colder()?,
        };
        Ok(LocalStack {
            lease: ManuallyDrop::new(lease),
            cache: Rc::clone(&self.cache),
        })
    }
}

impl Cache {
    #[cold]
    fn take_colder(&self) -> Result<Lease, StackError> {
        let idle = self.idle.borrow_mut().pop();
        idle.map_or_else(|| self.pool.lease(), Ok)
    }

    #[inline]
    fn give_back(&self, lease: Lease) {
        if let Some(colder) = self.hottest.replace(Some(lease)) {
            self.give_colder_back(colder);
        }
    }

    #[cold]
    fn give_colder_back(&self, lease: Lease) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            idle.push(lease);
        } else {
            drop(idle);
            self.pool.end(lease);
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().drain(..);
        idle.chain(self.hottest.take())
            .for_each(|lease| self.pool.end(lease));
    }
}

/// A stack of a [`LocalStackPool`]; goes back to it on drop.
pub struct LocalStack {
    lease: ManuallyDrop<Lease>,
    cache: Rc<Cache>,
}

impl Drop for LocalStack {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, as the last use.
        let lease = unsafe { ManuallyDrop::take(&mut self.lease) };
        self.cache.give_back(lease);
    }
}

// SAFETY: the slot belongs to this value alone, and its slab stays mapped while the pool is
// referenced, which the cache does; if this value is leaked, so is a reference to the cache.
// The page below `limit` is a guard.
unsafe impl Stack for LocalStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        self.lease.slot().top(self.cache.reserve)
    }

    #[inline]
    fn limit(&self) -> NonNull<u8> {
        self.lease.slot().limit
    }
}
