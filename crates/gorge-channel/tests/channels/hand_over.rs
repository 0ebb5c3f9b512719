//! Values with an owner go from hand to hand, through crowds, chains and many heads, and
//! arrive whole and once. (Go's `chanbarrier_test.go`, flume's `robin` and `hydra`.)
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use crate::common::{Census, Counted, everywhere};
use gorge_channel::{Receiver, Sender, bounded, never, select, unbounded};

/// A value with memory of its own, and its count.
struct Parcel<'a>(String, Counted<'a>);

impl<'a> Parcel<'a> {
    fn new(census: &'a Census, number: usize) -> Parcel<'a> {
        Parcel(format!("parcel {number}"), census.value(number))
    }

    fn check(&self) {
        assert_eq!(self.0, format!("parcel {}", self.1.number));
    }
}

/// Sends plainly or by a select.
fn send<'a>(sender: &Sender<Parcel<'a>>, parcel: Parcel<'a>, by_select: bool) {
    if by_select {
        let nothing = never::<u8>();
        select! {
            send(sender, parcel) -> sent => assert!(sent.is_ok()),
            recv(nothing) -> _ => unreachable!(),
        }
    } else {
        assert!(sender.send(parcel).is_ok());
    }
}

fn receive<'a>(receiver: &Receiver<Parcel<'a>>, by_select: bool) -> Option<Parcel<'a>> {
    if by_select {
        let nothing = never();
        select! {
            recv(receiver) -> value => value.ok(),
            recv(nothing) -> value => value.ok(),
        }
    } else {
        receiver.recv().ok()
    }
}

#[test]
fn each_of_many_short_hand_overs_delivers_its_own() {
    everywhere(|parties| {
        let census = Census::default();
        parties.scope(|scope| {
            for outer in 0..4 {
                let census = &census;
                scope.spawn(move || {
                    for inner in 0..25 {
                        let by_select = inner % 2 == 0;
                        let number = outer * 100 + inner;
                        let (sender, receiver) = bounded(inner % 3);
                        parties.scope(|scope| {
                            scope.spawn(move || {
                                send(&sender, Parcel::new(census, number), by_select);
                            });
                            let parcel = receive(&receiver, !by_select).expect("it comes");
                            parcel.check();
                            assert_eq!(parcel.1.number, number);
                        });
                    }
                });
            }
        });
        assert_eq!(census.alive(), 0);
    });
}

#[test]
fn values_go_down_a_chain_of_relays() {
    const PARTIES: usize = 8;
    everywhere(|parties| {
        for capacity in [Some(0), Some(1), None] {
            let census = Census::default();
            let values = if capacity.is_none() { 50 } else { 16 };
            let (start, mut before) = capacity.map_or_else(unbounded, bounded);
            parties.scope(|scope| {
                for party in 0..PARTIES {
                    let (to, after) = capacity.map_or_else(unbounded, bounded);
                    let from = std::mem::replace(&mut before, after);
                    let by_select = party % 2 == 0;
                    scope.spawn(move || {
                        while let Some(parcel) = receive(&from, by_select) {
                            send(&to, parcel, by_select);
                        }
                    });
                }
                let census = &census;
                scope.spawn(move || {
                    for number in 0..values {
                        send(&start, Parcel::new(census, number), false);
                    }
                });
                let mut arrived = 0;
                for parcel in &before {
                    parcel.check();
                    assert_eq!(parcel.1.number, arrived);
                    arrived += 1;
                }
                assert_eq!(arrived, values);
            });
            assert_eq!(census.alive(), 0);
        }
    });
}

#[test]
fn many_heads_answer_through_one_channel() {
    const HEADS: usize = 8;
    const VALUES: usize = 25;
    everywhere(|parties| {
        for capacity in [Some(0), Some(1), None] {
            let census = Census::default();
            let new = || capacity.map_or_else(unbounded, bounded);
            let (back, answers) = new();
            parties.scope(|scope| {
                for head in 0..HEADS {
                    let ((to, from), back, census) = (new(), back.clone(), &census);
                    let by_select = head % 2 == 0;
                    scope.spawn(move || {
                        while let Some(parcel) = receive(&from, by_select) {
                            send(&back, parcel, by_select);
                        }
                    });
                    scope.spawn(move || {
                        for number in 0..VALUES {
                            let number = head * VALUES + number;
                            send(&to, Parcel::new(census, number), by_select);
                        }
                    });
                }
                drop(back);
                let mut next: Vec<_> = (0..HEADS).map(|head| head * VALUES).collect();
                for parcel in &answers {
                    parcel.check();
                    let number = parcel.1.number;
                    assert_eq!(number, next[number / VALUES], "each head keeps its order");
                    next[number / VALUES] += 1;
                }
                assert!(next.into_iter().eq((1..=HEADS).map(|head| head * VALUES)));
            });
            assert_eq!(census.alive(), 0);
        }
    });
}
