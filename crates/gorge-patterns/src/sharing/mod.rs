//! What several goroutines share: calls, caches, news, states.

mod broadcast;
mod flight;
mod lru;
mod memo;
mod single_flight;

pub use broadcast::{
    Broadcast, BroadcastError, BroadcastStats, OnLag, Subscriber, SubscriberIter, TryBroadcastError,
};
pub use memo::{Memo, MemoBuilder, MemoError};
pub use single_flight::{FlightError, Landed, SingleFlight};
