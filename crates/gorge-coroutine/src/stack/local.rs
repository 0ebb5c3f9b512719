//! A thread's own cache in front of a pool: taking and giving back costs no
//! atomic operation.

use super::{PooledStack, Stack, StackError, StackPool};
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
    idle: RefCell<Vec<PooledStack>>,
    /// The last one given back, which is usually the next one taken.
    hottest: Cell<Option<PooledStack>>,
}

impl LocalStackPool {
    /// A cache for stacks of `pool`.
    pub fn new(pool: StackPool) -> LocalStackPool {
        let idle = RefCell::new(Vec::with_capacity(IDLE_MAX));
        let hottest = Cell::new(None);
        LocalStackPool {
            cache: Rc::new(Cache {
                pool,
                idle,
                hottest,
            }),
        }
    }

    /// Takes a stack: the one returned last, or one of the pool's.
    ///
    /// # Errors
    ///
    /// As for [`StackPool::take`].
    #[inline]
    pub fn take(&self) -> Result<LocalStack, StackError> {
        let stack = match self.cache.hottest.take() {
            Some(stack) => stack,
            None => self.cache.take_colder()?,
        };
        Ok(LocalStack {
            stack: ManuallyDrop::new(stack),
            cache: Rc::clone(&self.cache),
        })
    }
}

impl Cache {
    #[cold]
    fn take_colder(&self) -> Result<PooledStack, StackError> {
        let idle = self.idle.borrow_mut().pop();
        idle.map_or_else(|| self.pool.take(), Ok)
    }

    #[inline]
    fn give_back(&self, stack: PooledStack) {
        if let Some(colder) = self.hottest.replace(Some(stack)) {
            self.give_colder_back(colder);
        }
    }

    #[cold]
    fn give_colder_back(&self, stack: PooledStack) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX {
            idle.push(stack);
        }
    }
}

/// A stack of a [`LocalStackPool`]; goes back to it on drop.
pub struct LocalStack {
    stack: ManuallyDrop<PooledStack>,
    cache: Rc<Cache>,
}

impl Drop for LocalStack {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, as the last use.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        self.cache.give_back(stack);
    }
}

// SAFETY: passes on what the pooled stack promises; if this value is leaked, so
// is that one.
unsafe impl Stack for LocalStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        self.stack.top()
    }

    #[inline]
    fn limit(&self) -> NonNull<u8> {
        self.stack.limit()
    }
}
