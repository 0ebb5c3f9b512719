//! tokio's `mpsc`, whose unbounded channels have types of their own.
//!
//! It has no channel without room. `pingpong` and `select` run with room for one message instead: it is
//! what a program would use.

use crate::channels::tasks::{self, Awaited, Selecting};
use crate::channels::{Message, Row, Unsupported, Work};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};

/// Channels with room for a number of messages.
#[derive(Debug)]
pub struct Bounded;

impl Awaited for Bounded {
    type Sender<M: Message> = Sender<M>;
    type Receiver<M: Message> = Receiver<M>;

    fn channel<M: Message>(room: Option<usize>) -> (Sender<M>, Receiver<M>) {
        mpsc::channel(room.expect("a limit"))
    }

    #[inline]
    async fn send<M: Message>(sender: &Sender<M>, message: M) {
        sender.send(message).await.expect("a receiver");
    }

    #[inline]
    async fn recv<M: Message>(receiver: &mut Receiver<M>) -> M {
        receiver.recv().await.expect("a sender")
    }
}

impl Selecting for Bounded {}

/// Channels without a limit.
#[derive(Debug)]
pub struct Unbounded;

impl Awaited for Unbounded {
    type Sender<M: Message> = UnboundedSender<M>;
    type Receiver<M: Message> = UnboundedReceiver<M>;

    fn channel<M: Message>(_room: Option<usize>) -> (UnboundedSender<M>, UnboundedReceiver<M>) {
        mpsc::unbounded_channel()
    }

    #[inline]
    async fn send<M: Message>(sender: &UnboundedSender<M>, message: M) {
        sender.send(message).expect("a receiver");
    }

    #[inline]
    async fn recv<M: Message>(receiver: &mut UnboundedReceiver<M>) -> M {
        receiver.recv().await.expect("a sender")
    }
}

impl Selecting for Unbounded {}

/// Does a row on tokio's tasks.
pub fn run(mut row: Row, workers: usize) -> Result<Duration, Unsupported> {
    let selects = matches!(row.work, Work::SelectRx | Work::SelectThree);
    match (row.work, row.room) {
        (Work::Mpmc | Work::SelectBoth, _) => {
            return Err(Unsupported("a channel has one receiver"));
        }
        (Work::PingPong | Work::SelectThree, _) => row.room = Some(1),
        (_, Some(0)) => return Err(Unsupported("there are no channels without room")),
        _ => {}
    }
    match (row.room, selects) {
        (Some(_), false) => tasks::on_workers(workers, tasks::run_plain::<Bounded>(row)),
        (Some(_), true) => tasks::on_workers(workers, tasks::run_select::<Bounded>(row)),
        (None, false) => tasks::on_workers(workers, tasks::run_plain::<Unbounded>(row)),
        (None, true) => tasks::on_workers(workers, tasks::run_select::<Unbounded>(row)),
    }
}
