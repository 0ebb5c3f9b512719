//! The rows on channels whose operations block whoever calls them.

use super::{CROWD, Message, Row, Unsupported, Work, row::Load};
use crate::time;
use std::hint::black_box;
use std::time::Duration;

/// A peer's channels.
pub trait Blocking {
    /// The sending end.
    type Sender<M: Message>: Clone + Send + 'static;
    /// The receiving end.
    type Receiver<M: Message>: Clone + Send + 'static;

    /// A channel with room for so many messages, or for any number.
    fn channel<M: Message>(room: Option<usize>) -> (Self::Sender<M>, Self::Receiver<M>);
    /// Sends, and waits until there is room.
    fn send<M: Message>(sender: &Self::Sender<M>, message: M);
    /// Receives, and waits until there is a message.
    fn recv<M: Message>(receiver: &Self::Receiver<M>) -> M;
}

/// Channels that one can select among.
pub trait Selecting: Blocking {
    /// Receives from whichever channel has a message.
    fn recv_any<M: Message>(receivers: &[Self::Receiver<M>]) -> M;
    /// Sends to whichever channel has room.
    fn send_any<M: Message>(senders: &[Self::Sender<M>], message: M);
    /// Receives from `first` or `second`, by the form for a set of channels that the program names. There
    /// is never anything in `done`.
    fn recv_either<M: Message>(
        first: &Self::Receiver<M>,
        second: &Self::Receiver<M>,
        done: &Self::Receiver<()>,
    ) -> M;
}

/// What runs the parties.
pub trait Crew {
    /// A party to be waited for.
    type Party;

    /// Starts a party.
    fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Party;
    /// Waits until a party has ended.
    fn join(party: Self::Party);
}

/// Does a row that may be about select, and takes the time.
pub fn run<P: Selecting, C: Crew>(row: &Row) -> Duration {
    let Row { room, count, .. } = *row;
    match row.work {
        Work::SelectRx => time(|| select_rx::<P, C>(room, count)),
        Work::SelectBoth => time(|| select_both::<P, C>(room, count)),
        Work::SelectThree => time(|| select_three::<P, C>(count)),
        _ => run_plain::<P, C>(row).expect("a row without a select"),
    }
}

/// Does a row that is not about select, and takes the time.
///
/// # Errors
///
/// If the row is about select.
pub fn run_plain<P: Blocking, C: Crew>(row: &Row) -> Result<Duration, Unsupported> {
    match row.load {
        Load::Empty => run_with::<P, C, ()>(row),
        Load::Word => run_with::<P, C, usize>(row),
        Load::Big => run_with::<P, C, [usize; 4]>(row),
    }
}

fn run_with<P: Blocking, C: Crew, M: Message>(row: &Row) -> Result<Duration, Unsupported> {
    let Row { room, count, .. } = *row;
    match row.work {
        Work::Seq => Ok(time(|| seq::<P, M>(room, count))),
        Work::Spsc => Ok(time(|| spsc::<P, C, M>(room, count))),
        Work::Mpsc => Ok(time(|| mpsc::<P, C, M>(room, count))),
        Work::Mpmc => Ok(time(|| mpmc::<P, C, M>(room, count))),
        Work::PingPong => Ok(time(|| pingpong::<P, C, M>(count))),
        Work::SelectRx | Work::SelectBoth | Work::SelectThree => {
            Err(Unsupported("there is no select"))
        }
    }
}

fn send_all<P: Blocking, M: Message>(sender: &P::Sender<M>, count: usize) {
    for _ in 0..count {
        P::send(sender, M::VALUE);
    }
}

fn recv_all<P: Blocking, M: Message>(receiver: &P::Receiver<M>, count: usize) {
    for _ in 0..count {
        black_box(P::recv(receiver));
    }
}

fn join_all<C: Crew>(parties: Vec<C::Party>) {
    parties.into_iter().for_each(C::join);
}

fn seq<P: Blocking, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    send_all::<P, M>(&sender, count);
    recv_all::<P, M>(&receiver, count);
}

fn spsc<P: Blocking, C: Crew, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let party = C::spawn(move || send_all::<P, M>(&sender, count));
    recv_all::<P, M>(&receiver, count);
    C::join(party);
}

/// Starts a crowd that sends `count` messages in all.
fn senders<P: Blocking, C: Crew, M: Message>(sender: &P::Sender<M>, count: usize) -> Vec<C::Party> {
    let party = |_| {
        let sender = sender.clone();
        C::spawn(move || send_all::<P, M>(&sender, count / CROWD))
    };
    (0..CROWD).map(party).collect()
}

fn mpsc<P: Blocking, C: Crew, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let parties = senders::<P, C, M>(&sender, count);
    recv_all::<P, M>(&receiver, count);
    join_all::<C>(parties);
}

fn mpmc<P: Blocking, C: Crew, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let mut parties = senders::<P, C, M>(&sender, count);
    parties.extend((0..CROWD).map(|_| {
        let receiver = receiver.clone();
        C::spawn(move || recv_all::<P, M>(&receiver, count / CROWD))
    }));
    join_all::<C>(parties);
}

fn pingpong<P: Blocking, C: Crew, M: Message>(count: usize) {
    let (there, arrivals) = P::channel::<M>(Some(0));
    let (back, returns) = P::channel::<M>(Some(0));
    let echo = C::spawn(move || {
        for _ in 0..count {
            P::send(&back, P::recv(&arrivals));
        }
    });
    for _ in 0..count {
        P::send(&there, M::VALUE);
        black_box(P::recv(&returns));
    }
    C::join(echo);
}

type Senders<P> = Vec<<P as Blocking>::Sender<usize>>;
type Receivers<P> = Vec<<P as Blocking>::Receiver<usize>>;

/// A crowd of channels. Senders are kept until the end: one that has gone would make a channel ready.
fn channels<P: Blocking>(room: Option<usize>) -> (Senders<P>, Receivers<P>) {
    (0..CROWD).map(|_| P::channel(room)).unzip()
}

fn select_rx<P: Selecting, C: Crew>(room: Option<usize>, count: usize) {
    let (senders, receivers) = channels::<P>(room);
    let start = |sender: &P::Sender<usize>| {
        let sender = sender.clone();
        C::spawn(move || send_all::<P, usize>(&sender, count / CROWD))
    };
    let parties = senders.iter().map(start).collect();
    for _ in 0..count {
        black_box(P::recv_any(&receivers));
    }
    join_all::<C>(parties);
}

fn select_both<P: Selecting, C: Crew>(room: Option<usize>, count: usize) {
    let (senders, receivers) = channels::<P>(room);
    let mut parties = Vec::new();
    for _ in 0..CROWD {
        let senders = senders.clone();
        parties.push(C::spawn(move || {
            for _ in 0..count / CROWD {
                P::send_any(&senders, usize::VALUE);
            }
        }));
    }
    for _ in 0..CROWD {
        let receivers = receivers.clone();
        parties.push(C::spawn(move || {
            for _ in 0..count / CROWD {
                black_box(P::recv_any(&receivers));
            }
        }));
    }
    join_all::<C>(parties);
}

fn select_three<P: Selecting, C: Crew>(count: usize) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..2).map(|_| P::channel::<usize>(Some(0))).unzip();
    let (_stop, done) = P::channel::<()>(Some(0));
    let start = |sender: &P::Sender<usize>| {
        let sender = sender.clone();
        C::spawn(move || send_all::<P, usize>(&sender, count / 2))
    };
    let parties = senders.iter().map(start).collect();
    for _ in 0..count {
        black_box(P::recv_either(&receivers[0], &receivers[1], &done));
    }
    join_all::<C>(parties);
}
