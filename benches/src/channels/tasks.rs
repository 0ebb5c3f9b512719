//! The rows on channels whose operations are futures, awaited by tokio's tasks.
//!
//! All of a row runs in tasks: who waits in `block_on` is no worker, and would be woken across threads.

use super::{CROWD, Message, Row, Unsupported, Work, row::Load};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A peer's channels.
pub trait Awaited: 'static {
    /// The sending end.
    type Sender<M: Message>: Clone + Send + Sync + 'static;
    /// The receiving end, which may be the only one.
    type Receiver<M: Message>: Send + Sync + 'static;

    /// A channel with room for so many messages, or for any number.
    fn channel<M: Message>(room: Option<usize>) -> (Self::Sender<M>, Self::Receiver<M>);
    /// Sends, and waits until there is room.
    fn send<M: Message>(sender: &Self::Sender<M>, message: M) -> impl Future<Output = ()> + Send;
    /// Receives, and waits until there is a message.
    fn recv<M: Message>(receiver: &mut Self::Receiver<M>) -> impl Future<Output = M> + Send;
}

/// Channels that may have several receivers.
pub trait Shared: Awaited {
    /// Another receiver.
    fn share<M: Message>(receiver: &Self::Receiver<M>) -> Self::Receiver<M>;
}

/// Channels whose receivers lose nothing when what they wait for is dropped, so that they can be
/// selected among.
pub trait Selecting: Awaited {}

/// Runs `row` on a runtime with so many workers, and takes the time.
pub fn on_workers<F>(workers: usize, row: F) -> Result<Duration, Unsupported>
where
    F: Future<Output = Result<Duration, Unsupported>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::spawn(row).await.expect("it ends") })
}

/// Does a row that wants one receiver per channel, and no select.
///
/// # Errors
///
/// If the row wants more.
pub async fn run_plain<P: Awaited>(row: Row) -> Result<Duration, Unsupported> {
    match row.load {
        Load::Empty => run_with::<P, ()>(row).await,
        Load::Word => run_with::<P, usize>(row).await,
        Load::Big => run_with::<P, [usize; 4]>(row).await,
    }
}

async fn run_with<P: Awaited, M: Message>(row: Row) -> Result<Duration, Unsupported> {
    let Row { room, count, .. } = row;
    match row.work {
        Work::Seq => Ok(time(seq::<P, M>(room, count)).await),
        Work::Spsc => Ok(time(spsc::<P, M>(room, count)).await),
        Work::Mpsc => Ok(time(mpsc::<P, M>(room, count)).await),
        Work::PingPong => Ok(time(pingpong::<P, M>(room, count)).await),
        Work::Mpmc => Err(Unsupported("a channel has one receiver")),
        Work::SelectRx | Work::SelectBoth | Work::SelectThree => {
            Err(Unsupported("there is no select"))
        }
    }
}

/// Does a row that is not about select.
///
/// # Errors
///
/// If the row is about select.
pub async fn run_shared<P: Shared>(row: Row) -> Result<Duration, Unsupported> {
    let Row { room, count, .. } = row;
    match (row.work, row.load) {
        (Work::Mpmc, Load::Empty) => Ok(time(mpmc::<P, ()>(room, count)).await),
        (Work::Mpmc, Load::Word) => Ok(time(mpmc::<P, usize>(room, count)).await),
        (Work::Mpmc, Load::Big) => Ok(time(mpmc::<P, [usize; 4]>(room, count)).await),
        _ => run_plain::<P>(row).await,
    }
}

/// Does a row in which one receiver selects.
///
/// # Errors
///
/// If it is another row.
pub async fn run_select<P: Selecting>(row: Row) -> Result<Duration, Unsupported> {
    let Row { room, count, .. } = row;
    match row.work {
        Work::SelectRx => Ok(time(select_rx::<P>(room, count)).await),
        Work::SelectThree => Ok(time(select_three::<P>(room, count)).await),
        _ => Err(Unsupported("a send cannot be selected")),
    }
}

/// How long `work` takes on the wall clock.
#[allow(clippy::disallowed_methods, reason = "benches measure real time")]
pub(crate) async fn time(work: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}

async fn send_all<P: Awaited, M: Message>(sender: P::Sender<M>, count: usize) {
    for _ in 0..count {
        P::send(&sender, M::VALUE).await;
    }
}

async fn recv_all<P: Awaited, M: Message>(mut receiver: P::Receiver<M>, count: usize) {
    for _ in 0..count {
        black_box(P::recv(&mut receiver).await);
    }
}

pub(crate) async fn join_all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("it ends");
    }
}

async fn seq<P: Awaited, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    send_all::<P, M>(sender.clone(), count).await;
    recv_all::<P, M>(receiver, count).await;
}

async fn spsc<P: Awaited, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let task = tokio::spawn(send_all::<P, M>(sender, count));
    recv_all::<P, M>(receiver, count).await;
    task.await.expect("it ends");
}

/// Starts a crowd that sends `count` messages in all.
fn senders<P: Awaited, M: Message>(sender: &P::Sender<M>, count: usize) -> Vec<JoinHandle<()>> {
    (0..CROWD)
        .map(|_| tokio::spawn(send_all::<P, M>(sender.clone(), count / CROWD)))
        .collect()
}

async fn mpsc<P: Awaited, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let tasks = senders::<P, M>(&sender, count);
    recv_all::<P, M>(receiver, count).await;
    join_all(tasks).await;
}

async fn mpmc<P: Shared, M: Message>(room: Option<usize>, count: usize) {
    let (sender, receiver) = P::channel::<M>(room);
    let mut tasks = senders::<P, M>(&sender, count);
    tasks.extend(
        (0..CROWD).map(|_| tokio::spawn(recv_all::<P, M>(P::share(&receiver), count / CROWD))),
    );
    join_all(tasks).await;
}

async fn pingpong<P: Awaited, M: Message>(room: Option<usize>, count: usize) {
    let (there, mut arrivals) = P::channel::<M>(room);
    let (back, mut returns) = P::channel::<M>(room);
    let echo = tokio::spawn(async move {
        for _ in 0..count {
            let message = P::recv(&mut arrivals).await;
            P::send(&back, message).await;
        }
    });
    for _ in 0..count {
        P::send(&there, M::VALUE).await;
        black_box(P::recv(&mut returns).await);
    }
    echo.await.expect("it ends");
}

/// Senders are kept until the end: one that has gone would make a channel ready.
async fn select_rx<P: Selecting>(room: Option<usize>, count: usize) {
    let channels: [_; CROWD] = std::array::from_fn(|_| P::channel::<usize>(room));
    let tasks = channels
        .iter()
        .map(|(sender, _)| tokio::spawn(send_all::<P, usize>(sender.clone(), count / CROWD)))
        .collect();
    let [(_a, mut a), (_b, mut b), (_c, mut c), (_d, mut d)] = channels;
    for _ in 0..count {
        black_box(tokio::select! {
            message = P::recv(&mut a) => message,
            message = P::recv(&mut b) => message,
            message = P::recv(&mut c) => message,
            message = P::recv(&mut d) => message,
        });
    }
    join_all(tasks).await;
}

async fn select_three<P: Selecting>(room: Option<usize>, count: usize) {
    let channels: [_; 2] = std::array::from_fn(|_| P::channel::<usize>(room));
    let (_stop, mut done) = P::channel::<()>(room);
    let tasks = channels
        .iter()
        .map(|(sender, _)| tokio::spawn(send_all::<P, usize>(sender.clone(), count / 2)))
        .collect();
    let [(_a, mut a), (_b, mut b)] = channels;
    for _ in 0..count {
        black_box(tokio::select! {
            message = P::recv(&mut a) => message,
            message = P::recv(&mut b) => message,
            () = P::recv(&mut done) => unreachable!("nobody sends it"),
        });
    }
    join_all(tasks).await;
}
