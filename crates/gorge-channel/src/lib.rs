//! Channels and contexts; the README is the front page.
#![doc = include_str!("../README.md")]

#[macro_use]
mod select;

mod blocking;
mod buffer;
mod channel;
pub mod context;
mod counter;
mod error;
mod futures;
mod iter;
mod never;
mod overdue;
mod panicked;
mod permit;
mod place;
mod promise;
mod receiver;
mod sender;
pub mod time;
mod timers;
mod waiter;
mod watch;

pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
pub use futures::{RecvFuture, RecvStream, ReserveFuture, SendFuture, SendSink};
pub use iter::{IntoIter, Iter, TryIter};
pub use panicked::SharedPanic;
pub use permit::Permit;
pub use receiver::Receiver;
#[doc(hidden)]
pub use select::{Chosen as __Chosen, Slot as __Slot};
pub use select::{Select, SelectedOperation};
pub use sender::{Sender, bounded, unbounded};
pub use timers::{after, at, never, tick};
