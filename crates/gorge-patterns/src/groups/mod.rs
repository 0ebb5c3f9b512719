//! Goroutines that work together: groups, pools, races, map and reduce.

pub(crate) mod caught;
mod group;
mod hedge;
mod map_reduce;
mod race;
mod request;
mod resource_pool;
mod worker_pool;

pub use caught::CaughtPanic;
pub use group::{
    Failure, GoError, Group, GroupBuilder, GroupError, OnError, OnPanic, ScopedGroup, Spawner,
    TaskError, TryGoError, group_scope,
};
pub use hedge::Hedge;
pub use map_reduce::{Emitter, MapReduce, MapReduceError, map_reduce};
pub use race::{RaceError, first_success, quorum};
pub use request::{AskError, Asker, Request, requests};
pub use resource_pool::{Lent, PoolError, ResourcePool, ResourcePoolBuilder};
pub use worker_pool::{
    Feed, JobError, JobHandle, SubmitError, WhenFull, WorkerPool, WorkerPoolBuilder,
};
