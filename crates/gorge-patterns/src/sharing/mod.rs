//! What several goroutines share: calls, caches, news, states.

mod broadcast;
mod flight;
mod lru;
mod memo;
mod monitor;
mod phased;
mod single_flight;
mod tiered;
mod topic;

pub use broadcast::{
    Broadcast, BroadcastError, BroadcastStats, OnLag, Subscriber, SubscriberIntoIter,
    SubscriberIter, TryBroadcastError,
};
pub use memo::{Memo, MemoBuilder, MemoError};
pub use monitor::{Monitor, MonitorError};
pub use phased::{Party, Phased};
pub use single_flight::{FlightError, Landed, SingleFlight};
pub use tiered::{TieredCache, TieredStats};
pub use topic::Topic;
