//! kanal: its blocking operations on threads, its futures on tokio. It has no select, and a receive that
//! is dropped loses its message, so futures cannot be selected among either.

use crate::channels::Message;
use crate::channels::blocking::Blocking;
use crate::channels::tasks::{Awaited, Shared};
use kanal::{AsyncReceiver, AsyncSender, Receiver, Sender};

/// kanal's channels, blocking.
#[derive(Debug)]
pub struct Kanal;

impl Blocking for Kanal {
    type Sender<M: Message> = Sender<M>;
    type Receiver<M: Message> = Receiver<M>;

    fn channel<M: Message>(room: Option<usize>) -> (Sender<M>, Receiver<M>) {
        match room {
            Some(room) => kanal::bounded(room),
            None => kanal::unbounded(),
        }
    }

    #[inline]
    fn send<M: Message>(sender: &Sender<M>, message: M) {
        sender.send(message).expect("a receiver");
    }

    #[inline]
    fn recv<M: Message>(receiver: &Receiver<M>) -> M {
        receiver.recv().expect("a sender")
    }
}

/// kanal's channels, awaited.
#[derive(Debug)]
pub struct KanalAsync;

impl Awaited for KanalAsync {
    type Sender<M: Message> = AsyncSender<M>;
    type Receiver<M: Message> = AsyncReceiver<M>;

    fn channel<M: Message>(room: Option<usize>) -> (AsyncSender<M>, AsyncReceiver<M>) {
        match room {
            Some(room) => kanal::bounded_async(room),
            None => kanal::unbounded_async(),
        }
    }

    #[inline]
    async fn send<M: Message>(sender: &AsyncSender<M>, message: M) {
        sender.send(message).await.expect("a receiver");
    }

    #[inline]
    async fn recv<M: Message>(receiver: &mut AsyncReceiver<M>) -> M {
        receiver.recv().await.expect("a sender")
    }
}

impl Shared for KanalAsync {
    fn share<M: Message>(receiver: &AsyncReceiver<M>) -> AsyncReceiver<M> {
        receiver.clone()
    }
}
