//! Handles, plain operations and iterators.

use super::channel::{
    IntoIter, Iter, Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender,
    TryIter, TryRecvError, TrySendError, bounded, unbounded,
};
use crate::Notes;
use std::fmt::Debug;
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(2);

pub(crate) fn handles_are_shared_and_say_what_they_are(notes: &mut Notes) {
    fn shared<T: Clone + Debug + Send + Sync + UnwindSafe + RefUnwindSafe + Unpin>(
        handle: &T,
    ) -> T {
        handle.clone()
    }
    let (sender, receiver): (Sender<i32>, Receiver<i32>) = bounded(3);
    let (other, _): (Sender<i32>, Receiver<i32>) = unbounded();
    note!(notes: shared(&sender), shared(&receiver), other);
    note!(notes: format!("{sender:12?}|{receiver:>16?}|{receiver:#?}"));
    note!(notes: sender.same_channel(&sender.clone()), sender.same_channel(&other));
    note!(notes: receiver.same_channel(&receiver.clone()));
    note!(notes: receiver.same_channel(&bounded(3).1), receiver.same_channel(&unbounded().1));
    note!(notes: sender.capacity(), receiver.capacity(), other.capacity());
    let zero = bounded::<String>(0);
    note!(notes: zero.0.capacity(), zero.0.len(), zero.0.is_empty(), zero.0.is_full());
    note!(notes: zero.1.capacity(), zero.1.len(), zero.1.is_empty(), zero.1.is_full());
    for count in 0..3 {
        note!(notes: count, sender.len(), sender.is_empty(), sender.is_full());
        note!(notes: receiver.len(), receiver.is_empty(), receiver.is_full());
        sender.send(count).unwrap();
        other.send(count).unwrap_err();
    }
    note!(notes: sender.is_full(), receiver.is_full(), sender.len(), other.is_full());
    fn takes_function_items<T>(make: fn(usize) -> (Sender<T>, Receiver<T>)) -> Option<usize> {
        make(5).0.capacity()
    }
    note!(notes: takes_function_items(bounded::<u8>));
    note!(notes: size_of::<Option<Sender<i32>>>() > 0, size_of::<Receiver<i32>>() > 0);
}

pub(crate) fn values_go_through_channels_of_every_kind(notes: &mut Notes) {
    for (sender, receiver) in [bounded(1), bounded(2), unbounded()] {
        note!(notes: receiver.try_recv(), sender.try_send("a"), receiver.try_recv());
        note!(notes: sender.send("b"), receiver.recv(), receiver.try_recv());
        note!(notes: sender.send_timeout("c", SHORT), receiver.recv_timeout(SHORT));
        let soon = Instant::now() + LONG;
        note!(notes: sender.send_deadline("d", soon), receiver.recv_deadline(soon));
    }
    let (sender, receiver) = bounded(1);
    note!(notes: sender.try_send(1), sender.try_send(2), receiver.recv(), sender.try_send(3));
    let (sender, receiver) = bounded(0);
    note!(notes: sender.try_send(1), receiver.try_recv());
    thread::scope(|scope| {
        scope.spawn(|| sender.send(2).unwrap());
        note!(notes: receiver.recv());
        scope.spawn(|| sender.send_timeout(3, LONG).unwrap());
        note!(notes: receiver.recv_timeout(LONG));
        scope.spawn(|| while sender.try_send(4).is_err() {});
        note!(notes: receiver.recv());
    });
    let (units, counts) = bounded::<()>(1000);
    (0..1000).for_each(|_| units.send(()).unwrap());
    note!(notes: counts.len(), counts.is_full(), counts.try_iter().count());
    struct Opaque;
    let (sender, receiver) = unbounded();
    sender
        .send(Opaque)
        .unwrap_or_else(|SendError(Opaque)| unreachable!());
    note!(notes: receiver.recv().is_ok(), receiver.try_recv().is_err());
}

pub(crate) fn deadlines_pass_and_timeouts_too(notes: &mut Notes) {
    let (sender, receiver) = bounded(0);
    let start = Instant::now();
    note!(notes: sender.send_timeout(1, SHORT), start.elapsed() >= SHORT);
    note!(notes: receiver.recv_timeout(SHORT), start.elapsed() >= 2 * SHORT);
    let deadline = Instant::now() + SHORT;
    note!(notes: sender.send_deadline(1, deadline), Instant::now() >= deadline);
    note!(notes: receiver.recv_deadline(deadline), receiver.recv_deadline(start));
    note!(notes: receiver.recv_timeout(Duration::ZERO), sender.send_timeout(2, Duration::ZERO));
    let (sender, receiver) = bounded(1);
    note!(notes: sender.send_deadline(1, start), sender.send_deadline(2, start));
    note!(notes: receiver.recv_deadline(start), receiver.recv_timeout(Duration::ZERO));
    note!(notes: sender.send_timeout(3, Duration::MAX), receiver.recv_timeout(Duration::MAX));
    drop(receiver);
    note!(notes: sender.send_timeout(4, LONG), sender.send_deadline(5, start));
    let (sender, receiver) = unbounded::<i32>();
    drop(sender);
    note!(notes: receiver.recv_timeout(LONG), receiver.recv_deadline(start));
}

pub(crate) fn ends_that_go_are_noticed(notes: &mut Notes) {
    for (sender, receiver) in [bounded(4), unbounded()] {
        let other = sender.clone();
        drop(sender);
        note!(notes: other.send('x'), receiver.len());
        drop(other);
        note!(notes: receiver.recv(), receiver.recv(), receiver.try_recv(), receiver.len());
    }
    for (sender, receiver) in [bounded(0), bounded(4), unbounded()] {
        drop(receiver.clone());
        note!(notes: sender.len());
        drop(receiver);
        note!(notes: sender.send('x'), sender.try_send('y'), sender.len(), sender.is_empty());
        note!(notes: sender.send('z').unwrap_err().into_inner());
    }
    thread::scope(|scope| {
        let (sender, receiver) = bounded::<String>(0);
        let waits = scope.spawn(move || receiver.recv());
        drop(sender);
        note!(notes: waits.join().unwrap());
        let (sender, receiver) = bounded::<String>(0);
        let waits = scope.spawn(move || sender.send("text".to_owned()));
        drop(receiver);
        note!(notes: waits.join().unwrap());
    });
}

pub(crate) fn iterators_end_or_stop(notes: &mut Notes) {
    fn fused<I: FusedIterator<Item = i32> + Debug>(iterator: I) -> I {
        iterator
    }
    let (sender, receiver) = unbounded();
    (0..10).for_each(|number| sender.send(number).unwrap());
    let iter: Iter<'_, i32> = receiver.iter();
    note!(notes: iter, iter.size_hint());
    note!(notes: iter.take(2).collect::<Vec<_>>());
    let mut try_iter: TryIter<'_, i32> = receiver.try_iter();
    note!(notes: try_iter, try_iter.next(), try_iter.size_hint());
    for number in &receiver {
        if number == 5 {
            break;
        }
    }
    note!(notes: receiver.try_iter().max(), receiver.try_iter().next());
    sender.send(10).unwrap();
    note!(notes: try_iter.next(), try_iter.next());
    sender.send(11).unwrap();
    note!(notes: try_iter.next());
    (0..4).for_each(|number| sender.send(number).unwrap());
    drop(sender);
    note!(notes: fused(receiver.iter()).next());
    let mut into_iter: IntoIter<i32> = receiver.into_iter();
    note!(notes: into_iter, into_iter.next(), into_iter.by_ref().sum::<i32>());
    note!(notes: fused(into_iter).next());
    fn total(values: impl IntoIterator<Item = i32>) -> i32 {
        values.into_iter().sum()
    }
    let (sender, receiver) = bounded(3);
    (0..3).for_each(|number| sender.send(number).unwrap());
    drop(sender);
    note!(notes: total(&receiver), total(receiver.clone()), total(receiver));
}

pub(crate) fn threads_pass_values_on(notes: &mut Notes) {
    let (jobs, queue) = bounded::<u64>(2);
    let (done, results) = unbounded();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, done) = (queue.clone(), done.clone());
            thread::spawn(move || {
                queue.iter().for_each(|n| done.send(n * n).unwrap());
            })
        })
        .collect();
    drop((queue, done));
    (0..100).for_each(|n| jobs.send(n).unwrap());
    drop(jobs);
    let mut squares: Vec<_> = results.into_iter().collect();
    squares.sort_unstable();
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    note!(notes: squares.len(), squares.iter().sum::<u64>(), squares.last());

    type Reply = Sender<String>;
    let (requests, server) = bounded::<(u32, Reply)>(0);
    let serves = thread::spawn(move || {
        for (number, reply) in server {
            reply.send(format!("{number}!")).unwrap();
        }
    });
    for number in 0..3 {
        let (reply, answer) = bounded(1);
        requests.send((number, reply)).unwrap();
        note!(notes: answer.recv(), answer.recv());
    }
    drop(requests);
    serves.join().unwrap();
    let results: (Result<(), TrySendError<i32>>, Result<i32, TryRecvError>) =
        (Err(TrySendError::Full(1)), Err(TryRecvError::Empty));
    note!(notes: results);
    let results: (
        Result<(), SendTimeoutError<i32>>,
        Result<i32, RecvTimeoutError>,
    ) = (
        Err(SendTimeoutError::Timeout(1)),
        Err(RecvTimeoutError::Timeout),
    );
    note!(notes: results, Err::<i32, RecvError>(RecvError));
}
