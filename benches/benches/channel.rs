//! What does a message cost: in a rendezvous, through a buffer, in a crowd, received with
//! others at once, beside tokio?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::{in_each_setting, time};
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::channel::bounded;
use gorge::go;

/// Round trips over two unbuffered channels.
fn pingpong(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("pingpong"), |operations| {
        let (there, arrivals) = bounded(0);
        let (back, returns) = bounded(0);
        go(move || arrivals.iter().try_for_each(|value: u64| back.send(value)));
        for i in 0..operations {
            there.send(i).expect("a partner");
            returns.recv().expect("a partner");
        }
    });
}

/// One producer, one consumer, a buffer of a hundred.
fn prodcons(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("prodcons"), |operations| {
        let (sender, receiver) = bounded(100);
        go(move || (0..operations).try_for_each(|i| sender.send(i)));
        assert_eq!(receiver.iter().count() as u64, operations);
    });
}

/// Four producers, four consumers, a buffer of 128.
fn mpmc(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("mpmc"), |operations| {
        let (sender, receiver) = bounded(128);
        let each = operations.div_ceil(4);
        for _ in 0..4 {
            let sender = sender.clone();
            go(move || (0..each).try_for_each(|i| sender.send(i)));
        }
        drop(sender);
        let consumers = [(); 4].map(|()| {
            let receiver = receiver.clone();
            go(move || receiver.iter().count() as u64)
        });
        let received: u64 = consumers
            .map(|handle| handle.join().expect("a count"))
            .iter()
            .sum();
        assert_eq!(received, each * 4);
    });
}

/// How many values there may be in a channel, and how many are received at once.
const ROOM: usize = 1024;
const AT_ONCE: usize = 64;

/// One producer, and a consumer that takes what there is.
fn recv_many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recv_many");
    in_each_setting(&mut group, |operations| {
        let (sender, receiver) = bounded(ROOM);
        go(move || (0..operations).try_for_each(|i| sender.send(i)));
        let (mut values, mut count) = (Vec::with_capacity(AT_ONCE), 0);
        while receiver.recv_many(&mut values, AT_ONCE) > 0 {
            count += values.drain(..).count() as u64;
        }
        assert_eq!(count, operations);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let work = |operations: u64| async move {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(ROOM);
        tokio::spawn(async move {
            for i in 0..operations {
                sender.send(i).await.expect("a receiver");
            }
        });
        let (mut values, mut count) = (Vec::with_capacity(AT_ONCE), 0);
        while receiver.recv_many(&mut values, AT_ONCE).await > 0 {
            count += values.drain(..).count() as u64;
        }
        assert_eq!(count, operations);
    };
    group.bench_function("tokio", |bencher| {
        bencher.iter_custom(|operations| {
            time(|| {
                runtime.block_on(async { tokio::spawn(work(operations)).await.expect("it ends") })
            })
        });
    });
    group.finish();
}

criterion_group!(benches, pingpong, prodcons, mpmc, recv_many);
criterion_main!(benches);
