//! `ResourcePool`: a fixed number of things that are dear to make, lent one at a time.
//!
//! **Problem.** Connections, decoders, buffers: each is used by one party at a time, takes
//! long to make, and breaks now and then.
//!
//! ```text
//!             get: wait, check, replace what is broken
//!   [ idle: ■ ■ □ ] ──────────────────────────────────► Lent (guard)
//!          ▲                                              │
//!          └───────────────────── dropped ────────────────┘
//! ```
//!
//! The idle resources are values in a channel with room for all; those who wait receive
//! from it, first come, first served. An empty place (□) is one whose resource broke: it is
//! filled by whoever gets it.
//!
//! **Who closes what.** [`ResourcePool::close`], or the last handle that is dropped, closes
//! the channel and drops what is idle; what is lent is dropped when it comes back.
//! **Cancelled** by the context that is given to [`get`](ResourcePool::get).

mod builder;

pub use builder::ResourcePoolBuilder;

use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, select_biased};
use std::convert::Infallible;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A fixed number of resources, lent to one party at a time. Clones share them.
///
/// All are made when the pool is. A resource that does not pass the pool's
/// [check](ResourcePoolBuilder::check) when it is taken out, or was
/// [discarded](Lent::discard), is replaced by a new one.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::ResourcePool;
///
/// let ctx = context::background();
/// let pool = ResourcePool::new(2, || Ok::<_, std::io::Error>(Vec::<u8>::new())).unwrap();
/// {
///     let mut buffer = pool.get(&ctx).unwrap();
///     buffer.extend(b"some bytes");
/// } // the buffer goes back
/// assert_eq!(pool.idle(), 2);
/// ```
pub struct ResourcePool<T, E> {
    shared: Arc<Shared<T, E>>,
}

type Make<T, E> = Box<dyn Fn() -> Result<T, E> + Send + Sync>;
type Check<T> = Box<dyn Fn(&mut T) -> bool + Send + Sync>;

struct Shared<T, E> {
    make: Make<T, E>,
    check: Option<Check<T>>,
    size: usize,
    give_back: Sender<Place<T>>,
    idle: Receiver<Place<T>>,
}

/// Where a resource belongs; empty if that broke.
type Place<T> = Option<T>;

/// Why [`ResourcePool::get`] has no resource.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PoolError<E> {
    /// None came back in time.
    #[error("all resources are in use, and none came back in time")]
    Timeout,
    /// The context is done.
    #[error("no resource came back before the end: {0}")]
    Cancelled(ContextError),
    /// The pool is closed.
    #[error("the pool of resources is closed")]
    Closed,
    /// A broken resource could not be replaced. The next one who asks tries again.
    #[error("a broken resource could not be replaced: {0}")]
    Make(E),
}

impl<T: Send + 'static> ResourcePool<T, Infallible> {
    /// A pool of `size` resources that can always be made.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::ResourcePool;
    ///
    /// let buffers = ResourcePool::with(2, || Vec::<u8>::with_capacity(4096));
    /// let mut buffer = buffers.get(&context::background()).unwrap();
    /// buffer.push(1);
    /// ```
    pub fn with<F>(size: usize, make: F) -> ResourcePool<T, Infallible>
    where
        F: Fn() -> T + Send + Sync + 'static,
    {
        match ResourcePool::new(size, move || Ok(make())) {
            Ok(pool) => pool,
            Err(never) => match never {},
        }
    }
}

impl<T, E> ResourcePool<T, E>
where
    T: Send + 'static,
    E: 'static,
{
    /// A pool of `size` resources, which are made now, one after the other.
    ///
    /// # Errors
    ///
    /// The error of `make` if one could not be made.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn new<F>(size: usize, make: F) -> Result<ResourcePool<T, E>, E>
    where
        F: Fn() -> Result<T, E> + Send + Sync + 'static,
    {
        ResourcePool::builder(size).build(make)
    }

    /// Takes a resource out, or waits until one comes back. Who came first gets one first.
    ///
    /// # Errors
    ///
    /// If the context is done before, the pool is closed, or a broken resource could not be
    /// replaced.
    ///
    /// # Panics
    ///
    /// With a panic of the pool's functions; the place is not lost.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits.
    pub fn get(&self, ctx: &Context) -> Result<Lent<T, E>, PoolError<E>> {
        let cancelled = || {
            Err(PoolError::Cancelled(
                ctx.err().unwrap_or(ContextError::Canceled),
            ))
        };
        if ctx.err().is_some() {
            return cancelled();
        }
        select_biased! {
            recv(self.shared.idle) -> place => match place {
                Ok(place) => self.shared.lend(place),
                Err(_) => Err(PoolError::Closed),
            },
            recv(ctx.done()) -> _ => cancelled(),
        }
    }

    /// As [`get`](ResourcePool::get), but waits for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`get`](ResourcePool::get), with [`PoolError::Timeout`].
    ///
    /// # Panics
    ///
    /// As for [`get`](ResourcePool::get).
    ///
    /// # Cancellation
    ///
    /// As for [`get`](ResourcePool::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Lent<T, E>, PoolError<E>> {
        match self.shared.idle.recv_timeout(timeout) {
            Ok(place) => self.shared.lend(place),
            Err(RecvTimeoutError::Timeout) => Err(PoolError::Timeout),
            Err(RecvTimeoutError::Disconnected) => Err(PoolError::Closed),
        }
    }

    /// Takes a resource out if one is idle. None is not an error: it is `Ok(None)`.
    ///
    /// # Errors
    ///
    /// As for [`get`](ResourcePool::get).
    ///
    /// # Panics
    ///
    /// As for [`get`](ResourcePool::get).
    pub fn try_get(&self) -> Result<Option<Lent<T, E>>, PoolError<E>> {
        match self.shared.idle.try_recv() {
            Ok(place) => self.shared.lend(place).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(PoolError::Closed),
        }
    }

    /// Lends no more: those who wait get [`PoolError::Closed`], idle resources are dropped,
    /// and the others when they come back. True for the call that closed the pool.
    pub fn close(&self) -> bool {
        let closed = self.shared.give_back.close();
        while self.shared.idle.try_recv().is_ok() {}
        closed
    }

    /// How many resources, or empty places, wait to be taken.
    pub fn idle(&self) -> usize {
        self.shared.idle.len()
    }

    /// How many there are in all.
    pub fn size(&self) -> usize {
        self.shared.size
    }
}

impl<T, E> Shared<T, E> {
    fn lend(self: &Arc<Self>, mut place: Place<T>) -> Result<Lent<T, E>, PoolError<E>> {
        let mut lent = Lent {
            resource: None,
            pool: Arc::clone(self),
        };
        if let (Some(resource), Some(check)) = (&mut place, &self.check)
            && !check(resource)
        {
            place = None;
        }
        lent.resource = match place {
            Some(resource) => Some(resource),
            // If this fails, or panics, the guard gives the place back, empty.
            None => Some((self.make)().map_err(PoolError::Make)?),
        };
        Ok(lent)
    }
}

/// A resource in use. It goes back to its pool when this is dropped, also by a panic: a
/// resource that may be broken then is found by the pool's
/// [check](ResourcePoolBuilder::check).
pub struct Lent<T, E> {
    /// Empty while it is made, and after `discard` and `keep`.
    resource: Option<T>,
    pool: Arc<Shared<T, E>>,
}

impl<T, E> Lent<T, E> {
    /// Drops the resource, which is broken: a new one will take its place.
    pub fn discard(mut self) {
        drop(self.resource.take());
    }

    /// Takes the resource away for good: a new one will take its place.
    pub fn keep(mut self) -> T {
        self.resource
            .take()
            .expect("it is there until the guard goes")
    }
}

impl<T, E> Deref for Lent<T, E> {
    type Target = T;

    fn deref(&self) -> &T {
        self.resource
            .as_ref()
            .expect("it is there until the guard goes")
    }
}

impl<T, E> DerefMut for Lent<T, E> {
    fn deref_mut(&mut self) -> &mut T {
        self.resource
            .as_mut()
            .expect("it is there until the guard goes")
    }
}

impl<T, E> Drop for Lent<T, E> {
    fn drop(&mut self) {
        // There is room for all of them. A closed pool hands it back, and it is dropped.
        drop(self.pool.give_back.try_send(self.resource.take()));
    }
}

impl<T, E> Clone for ResourcePool<T, E> {
    fn clone(&self) -> ResourcePool<T, E> {
        ResourcePool {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T, E> fmt::Debug for ResourcePool<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourcePool")
            .field("size", &self.shared.size)
            .field("idle", &self.shared.idle.len())
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, E> fmt::Debug for Lent<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent").field(&self.resource).finish()
    }
}
