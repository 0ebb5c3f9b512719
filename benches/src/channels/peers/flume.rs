//! flume: its blocking operations on threads, its futures on tokio.
//!
//! Two things of flume 0.12 make rows hang, which then count as failed:
//!
//! - A receive that is awaited, was woken, and found its message taken by another one does not look again
//!   once it waits anew. With several receivers on several workers, the message that comes between the two
//!   wakes nobody.
//! - Several cases of one `Selector` may be served at the same time, all but one of them in vain. So
//!   `select_both` loses count.

use crate::channels::blocking::{Blocking, Selecting};
use crate::channels::tasks::{self, Awaited, Shared};
use crate::channels::{Message, Row, Unsupported, Work};
use flume::{Receiver, Selector, Sender};
use std::time::Duration;

/// flume's channels, blocking.
#[derive(Debug)]
pub struct Flume;

impl Blocking for Flume {
    type Sender<M: Message> = Sender<M>;
    type Receiver<M: Message> = Receiver<M>;

    fn channel<M: Message>(room: Option<usize>) -> (Sender<M>, Receiver<M>) {
        match room {
            Some(room) => flume::bounded(room),
            None => flume::unbounded(),
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

impl Selecting for Flume {
    #[inline]
    fn recv_any<M: Message>(receivers: &[Receiver<M>]) -> M {
        let selector = receivers
            .iter()
            .fold(Selector::new(), |selector, receiver| {
                selector.recv(receiver, |message| message)
            });
        selector.wait().expect("a sender")
    }

    #[inline]
    fn send_any<M: Message>(senders: &[Sender<M>], message: M) {
        let selector = senders.iter().fold(Selector::new(), |selector, sender| {
            selector.send(sender, message, |sent| sent)
        });
        selector.wait().expect("a receiver");
    }

    #[inline]
    fn recv_either<M: Message>(
        first: &Receiver<M>,
        second: &Receiver<M>,
        done: &Receiver<()>,
    ) -> M {
        Selector::new()
            .recv(first, |message| message.expect("a sender"))
            .recv(second, |message| message.expect("a sender"))
            .recv(done, |_| unreachable!("nobody sends it"))
            .wait()
    }
}

/// flume's channels, awaited.
#[derive(Debug)]
pub struct FlumeAsync;

impl Awaited for FlumeAsync {
    type Sender<M: Message> = Sender<M>;
    type Receiver<M: Message> = Receiver<M>;

    fn channel<M: Message>(room: Option<usize>) -> (Sender<M>, Receiver<M>) {
        Flume::channel(room)
    }

    #[inline]
    async fn send<M: Message>(sender: &Sender<M>, message: M) {
        sender.send_async(message).await.expect("a receiver");
    }

    #[inline]
    async fn recv<M: Message>(receiver: &mut Receiver<M>) -> M {
        receiver.recv_async().await.expect("a sender")
    }
}

impl Shared for FlumeAsync {
    fn share<M: Message>(receiver: &Receiver<M>) -> Receiver<M> {
        receiver.clone()
    }
}

impl tasks::Selecting for FlumeAsync {}

/// Does a row on tokio's tasks.
pub fn run_async(row: Row, workers: usize) -> Result<Duration, Unsupported> {
    match row.work {
        Work::SelectBoth => Err(Unsupported(
            "a send that is dropped, because another was chosen, may have been received",
        )),
        Work::SelectRx | Work::SelectThree => {
            tasks::on_workers(workers, tasks::run_select::<FlumeAsync>(row))
        }
        _ => tasks::on_workers(workers, tasks::run_shared::<FlumeAsync>(row)),
    }
}
