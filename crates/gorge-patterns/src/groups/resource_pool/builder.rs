//! The options of a pool, and its first resources.

use super::{Check, ResourcePool, Shared};
use gorge_channel::bounded;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Options of a [`ResourcePool`] to be; made by [`ResourcePool::builder`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::ResourcePool;
///
/// struct Connection { is_alive: bool }
///
/// let pool = ResourcePool::builder(1)
///     .check(|connection: &mut Connection| connection.is_alive)
///     .build(|| Ok::<_, String>(Connection { is_alive: true }))
///     .unwrap();
/// let ctx = context::background();
/// pool.get(&ctx).unwrap().is_alive = false;
/// assert!(pool.get(&ctx).unwrap().is_alive, "it is another one");
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct ResourcePoolBuilder<T, E> {
    size: usize,
    check: Option<Check<T>>,
    error: PhantomData<fn() -> E>,
}

impl<T: Send + 'static, E: 'static> ResourcePool<T, E> {
    /// Options of a pool of so many resources.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn builder(size: usize) -> ResourcePoolBuilder<T, E> {
        assert!(size > 0, "a pool has at least one resource");
        ResourcePoolBuilder {
            size,
            check: None,
            error: PhantomData,
        }
    }
}

impl<T: Send + 'static, E: 'static> ResourcePoolBuilder<T, E> {
    /// Whether a resource can still be used: asked whenever one is taken out. It is called
    /// by the one who asked for it, and may wait.
    pub fn check<F>(mut self, check: F) -> ResourcePoolBuilder<T, E>
    where
        F: Fn(&mut T) -> bool + Send + Sync + 'static,
    {
        self.check = Some(Box::new(check));
        self
    }

    /// The pool, with all its resources made.
    ///
    /// # Errors
    ///
    /// The error of `make` if one could not be made.
    pub fn build<F>(self, make: F) -> Result<ResourcePool<T, E>, E>
    where
        F: Fn() -> Result<T, E> + Send + Sync + 'static,
    {
        let (give_back, idle) = bounded(self.size);
        for _ in 0..self.size {
            let kept = give_back.try_send(Some(make()?));
            debug_assert!(kept.is_ok(), "there is room for all");
        }
        let shared = Shared {
            make: Box::new(make),
            check: self.check,
            size: self.size,
            give_back,
            idle,
        };
        Ok(ResourcePool {
            shared: Arc::new(shared),
        })
    }
}

impl<T, E> fmt::Debug for ResourcePoolBuilder<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourcePoolBuilder")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
