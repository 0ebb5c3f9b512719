//! What does a goroutine cost from spawn to join?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::in_each_setting;
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::channel::bounded;
use gorge::go;
use gorge::sync::WaitGroup;

/// Spawn and join, one at a time.
fn spawn_join(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("spawn_join"), |operations| {
        for _ in 0..operations {
            go(|| ()).join().expect("it ends");
        }
    });
}

/// Spawn a goroutine that sends one value on a rendezvous channel: `spawn_seq`.
fn spawn_seq(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("spawn_seq"), |operations| {
        let (sender, receiver) = bounded(0);
        for i in 0..operations {
            let sender = sender.clone();
            go(move || sender.send(i));
            receiver.recv().expect("its value");
        }
    });
}

/// Batches of a thousand, each awaited by a wait group: `spawn_batch`.
fn spawn_batch(criterion: &mut Criterion) {
    in_each_setting(
        &mut criterion.benchmark_group("spawn_batch"),
        |operations| {
            let mut left = operations;
            while left > 0 {
                let batch = left.min(1000);
                let group = WaitGroup::new();
                group.add(batch as usize);
                for _ in 0..batch {
                    let group = group.clone();
                    go(move || group.done());
                }
                group.wait();
                left -= batch;
            }
        },
    );
}

criterion_group!(benches, spawn_join, spawn_seq, spawn_batch);
criterion_main!(benches);
