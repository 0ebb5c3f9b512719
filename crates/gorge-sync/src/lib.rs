//! Locks, wait groups, and running something once; the README is the front page.
#![doc = include_str!("../README.md")]
// Loom's atomics have no const constructors, so under it the types that need
// one are not there, and what they are made of is tested without them.
#![cfg_attr(
    gorge_loom,
    allow(dead_code, unused_imports, reason = "parts of this crate only")
)]

mod barrier;
mod bit_lock;
#[cfg(all(test, not(gorge_loom)))]
#[path = "../tests/common/mod.rs"]
mod common;
mod condvar;
mod guarded;
mod mutex;
mod once;
#[cfg(any(not(gorge_loom), test))]
mod pool;
mod queue;
mod rwlock;
mod semaphore;
mod track;
mod wait_group;

pub use barrier::{Barrier, BarrierWaitResult};
#[cfg(not(gorge_loom))]
pub use condvar::{Condvar, WaitTimeoutResult};
pub use mutex::RawMutex;
#[cfg(not(gorge_loom))]
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, const_mutex};
pub use once::{Once, OnceState};
#[cfg(not(gorge_loom))]
pub use once::{cell::OnceLock, lazy::LazyLock};
#[cfg(not(gorge_loom))]
pub use pool::{Pool, PoolGuard};
pub use rwlock::RawRwLock;
#[cfg(not(gorge_loom))]
pub use rwlock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard, const_rwlock,
};
pub use semaphore::{
    AcquireError, AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    TryAcquireError,
};
pub use wait_group::WaitGroup;

/// The crate whose wrappers the locks are, for their traits.
pub use lock_api;
