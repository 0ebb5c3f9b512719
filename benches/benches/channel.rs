//! What does a message cost: in a rendezvous, through a buffer, in a crowd?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::in_each_setting;
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

criterion_group!(benches, pingpong, prodcons, mpmc);
criterion_main!(benches);
