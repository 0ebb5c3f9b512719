//! Groups, pools, races, map and reduce: one module per pattern.

#[path = "../common/mod.rs"]
mod common;

mod beside_a_panic;
mod group;
mod group_rounds;
mod map_reduce;
mod race;
mod request;
mod resource_pool;
mod scoped_group;
mod tools;
mod worker_pool;
