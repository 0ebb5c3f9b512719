//! Channel operations as futures, for code that is written with `async`.
//!
//! | made by | future | dropped, it |
//! | --- | --- | --- |
//! | `Receiver::recv_async`, `stream` | [`RecvFuture`], [`RecvStream`] | puts back what it was handed: see [`serve`] |
//! | `Sender::send_async`, `sink` | [`SendFuture`], [`SendSink`] | drops its value, unless somebody took it |
//! | `Sender::reserve_async` | [`ReserveFuture`] | gives back what it was promised |
//!
//! A future that waits is a party like any other, in the same list: it is served in its
//! turn, by a direct hand-over. What differs is where its node and its value lie (on the
//! heap, see [`party`]), because a future may be forgotten, and what a wake-up is.

mod alarm;
mod party;
mod receive;
mod reserve;
mod returned;
mod send;
mod serve;
mod sink;
mod stream;
mod waker;

pub use receive::RecvFuture;
pub use reserve::ReserveFuture;
pub(crate) use returned::Returned;

use std::panic::{RefUnwindSafe, UnwindSafe};

// As the handles: a panic leaves a channel as it is.
impl<T> UnwindSafe for RecvFuture<'_, T> {}
impl<T> RefUnwindSafe for RecvFuture<'_, T> {}
impl<T> UnwindSafe for RecvStream<'_, T> {}
impl<T> RefUnwindSafe for RecvStream<'_, T> {}
impl<T> UnwindSafe for SendFuture<'_, T> {}
impl<T> RefUnwindSafe for SendFuture<'_, T> {}
impl<T> UnwindSafe for SendSink<'_, T> {}
impl<T> RefUnwindSafe for SendSink<'_, T> {}
impl<T> UnwindSafe for ReserveFuture<'_, T> {}
impl<T> RefUnwindSafe for ReserveFuture<'_, T> {}
pub use send::SendFuture;
pub use sink::SendSink;
pub use stream::RecvStream;
