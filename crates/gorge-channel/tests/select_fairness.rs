//! Whoever is always ready gets its share, and values of any size are chosen alike.
#![cfg(not(gorge_loom))]

mod common;

use common::everywhere;
use gorge_channel::{Receiver, Select, after, bounded, select, tick, unbounded};
use std::time::Duration;

#[test]
fn queues_and_timers_that_are_ready_share_the_choices() {
    const COUNT: usize = 800;
    let (s1, r1) = bounded::<()>(COUNT);
    let (s2, r2) = unbounded::<()>();
    s1.send_many([(); COUNT]).unwrap();
    s2.send_many([(); COUNT]).unwrap();
    let ticks = tick(Duration::ZERO);
    let mut hits = [0; 4];
    for _ in 0..COUNT {
        let timer = after(Duration::ZERO);
        let hit = select! {
            recv(r1) -> value => { value.unwrap(); 0 }
            recv(r2) -> value => { value.unwrap(); 1 }
            recv(timer) -> due => { due.unwrap(); 2 }
            recv(ticks) -> due => { due.unwrap(); 3 }
        };
        hits[hit] += 1;
    }
    assert!(hits.iter().all(|hits| *hits >= COUNT / 8), "{hits:?}");
}

#[test]
fn one_channel_in_five_cases_is_chosen_in_each() {
    fn choose<T>(receiver: &Receiver<T>, mut refill: impl FnMut()) {
        let mut hits = [0; 5];
        for _ in 0..500 {
            refill();
            let mut select = Select::new();
            (0..5).for_each(|_| _ = select.recv(receiver));
            let operation = select.select();
            hits[operation.index()] += 1;
            assert!(operation.recv(receiver).is_ok());
        }
        assert!(hits.iter().all(|hits| *hits >= 50), "{hits:?}");
    }
    let (sender, receiver) = bounded(1);
    choose(&receiver, || sender.send(()).unwrap());
    let (sender, receiver) = unbounded();
    choose(&receiver, || sender.send(()).unwrap());
    choose(&tick(Duration::ZERO), || {});
}

#[test]
fn duplicate_operations_of_both_directions_are_all_chosen() {
    let (sender, receiver) = unbounded::<i32>();
    sender.send(0).unwrap();
    let mut hits = [0; 4];
    for _ in 0..400 {
        let hit = select! {
            recv(receiver) -> _ => { sender.send(0).unwrap(); 0 }
            recv(receiver) -> _ => { sender.send(0).unwrap(); 1 }
            send(sender, 0) -> _ => { receiver.recv().unwrap(); 2 }
            send(sender, 0) -> _ => { receiver.recv().unwrap(); 3 }
        };
        hits[hit] += 1;
    }
    assert!(hits.iter().all(|hits| *hits > 30), "{hits:?}");
}

// test/chan/zerosize.go, TestChanSendInterface
#[test]
fn values_of_no_size_of_great_size_and_of_great_alignment_arrive() {
    #[derive(Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u8);
    #[derive(Debug, PartialEq)]
    #[repr(align(64))]
    struct Nothing;
    everywhere(|parties| {
        let (s1, r1) = bounded::<()>(0);
        let (s2, r2) = bounded::<Aligned>(0);
        let (s3, r3) = bounded::<[u64; 100]>(0);
        let (s4, r4) = bounded::<Nothing>(0);
        let (s5, r5) = bounded::<Box<dyn Fn() -> i32 + Send>>(0);
        parties.scope(|scope| {
            scope.spawn(|| select! { send(s1, ()) -> sent => sent.unwrap() });
            scope.spawn(|| s2.send(Aligned(1)).unwrap());
            scope.spawn(|| s3.send([3; 100]).unwrap());
            scope.spawn(|| s4.send(Nothing).unwrap());
            scope.spawn(|| s5.send(Box::new(|| 5)).unwrap());
            let mut sum = 0;
            while sum != 0b11111 {
                sum |= select! {
                    recv(r1) -> value => { assert_eq!(value, Ok(())); 1 }
                    recv(r3) -> value => { assert_eq!(value, Ok([3; 100])); 2 }
                    recv(r4) -> value => { assert_eq!(value, Ok(Nothing)); 4 }
                    recv(r5) -> value => { assert_eq!(value.unwrap()(), 5); 8 }
                    recv(r2) -> value => { assert_eq!(value, Ok(Aligned(1))); 16 }
                };
            }
        });
    });
}
