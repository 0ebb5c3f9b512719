//! Channels and contexts; the README is the front page.
#![doc = include_str!("../README.md")]

mod blocking;
mod buffer;
mod channel;
pub mod context;
mod counter;
mod error;
mod iter;
mod place;
mod receiver;
mod sender;
mod waiter;

pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
pub use sender::{Sender, bounded, unbounded};
