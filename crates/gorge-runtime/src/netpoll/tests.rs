//! The poller by itself, and how many wait in it.

use super::poller::Poller;
use super::{Direction, Pollable};
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::{Runtime, time};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

fn poller() -> Poller {
    Poller::new(Weak::new()).expect("a poller")
}

fn poll(poller: &Poller, timeout: Option<Duration>) {
    let mut claims = Vec::new();
    poller
        .try_turn()
        .expect("a turn")
        .poll(timeout, &mut claims);
    assert!(claims.is_empty());
}

#[test]
fn a_wake_from_another_thread_ends_a_long_poll() {
    let poller = &poller();
    thread::scope(|scope| {
        for timeout in [None, Some(LONG)] {
            let polls = scope.spawn(move || poll(poller, timeout));
            while !poller.is_blocked() && !polls.is_finished() {
                thread::yield_now();
            }
            poller.wake();
            polls.join().expect("it ended");
        }
    });
}

#[test]
fn a_wake_is_kept_for_the_next_poll_that_blocks() {
    let poller = poller();
    for _ in 0..3 {
        poller.wake();
        poller.wake();
        // One that only looks takes the event, and leaves the wish.
        poll(&poller, Some(Duration::ZERO));
        poll(&poller, Some(LONG));
    }
}

#[test]
fn every_wake_of_many_threads_ends_a_poll() {
    let poller = poller();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let polls = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                poll(&poller, None);
            }
        });
        let wakers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| (0..10_000).for_each(|_| poller.wake())))
            .collect();
        wakers
            .into_iter()
            .for_each(|it| it.join().expect("it woke"));
        // This one is the last, and must not be taken for one of theirs.
        done.store(true, Ordering::Release);
        poller.wake();
        polls.join().expect("it ended");
    });
}

#[test]
fn one_thread_polls_at_a_time() {
    let poller = poller();
    let turn = poller.try_turn();
    assert!(turn.is_some() && poller.try_turn().is_none());
    drop(turn);
    assert!(poller.try_turn().is_some());
}

#[test]
fn a_poll_ends_when_its_timeout_has_passed() {
    let poller = poller();
    for micros in [1, 50, 700, 1500, 99_999, 100_001] {
        let timeout = Duration::from_micros(micros);
        let start = time::now();
        // It may come early for an alarm of before: not more often than that.
        let mut polls = 0;
        while start.elapsed() < timeout {
            poll(&poller, Some(timeout));
            polls += 1;
        }
        assert!(polls <= 2, "{polls} polls for {timeout:?}");
    }
}

#[test]
fn an_event_that_was_fetched_for_a_former_registration_changes_nothing() {
    let poller = poller();
    let (old, mut peer) = UnixStream::pair().expect("a pair");
    let index = poller.register(old.as_fd()).expect("registered");
    let former = poller.slot(index).generation();
    peer.write_all(b"x").expect("written");
    poller.deregister(Some(old.as_fd()), index);
    let (new, _peer) = UnixStream::pair().expect("a pair");
    assert_eq!(poller.register(new.as_fd()).expect("registered"), index);
    let slot = poller.slot(index);
    let seen = slot.edges(Direction::Read);
    assert_eq!(slot.event(former, true, true).len(), 0);
    assert_eq!(slot.edges(Direction::Read), seen);
    assert_eq!(slot.event(slot.generation(), true, false).len(), 0);
    assert_ne!(slot.edges(Direction::Read), seen);
    poller.deregister(Some(new.as_fd()), index);
}

#[test]
fn nobody_is_counted_after_a_burst_of_waits_that_ended_in_every_way() {
    for procs in [1, 2, 4] {
        let runtime = Runtime::builder()
            .max_procs(procs)
            .build()
            .expect("a runtime");
        assert!(
            runtime.shared().netpoll.get().is_none(),
            "it is made on demand"
        );
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let ours = Arc::new(runtime.run(|| Pollable::new(ours).expect("registered")));
        let poller = Arc::clone(runtime.shared().netpoll.get().expect("a poller"));
        let party = |i: u32| {
            let ours = ours.clone();
            let deadline = if i.is_multiple_of(4) {
                time::deadline(Duration::from_millis(1))
            } else {
                None
            };
            let read = move |mut stream: &UnixStream| stream.read(&mut [0; 3]);
            runtime.go(move || {
                ours.io(Direction::Read, deadline, read)
                    .map_err(|it| it.kind())
            })
        };
        let parties: Vec<_> = (0..400).map(party).collect();
        while poller.waiters() < 200 {
            thread::yield_now();
        }
        parties.iter().skip(1).step_by(4).for_each(|it| it.cancel());
        theirs.write_all(&[1; 150]).expect("written");
        // Whoever got nothing waits until this.
        while parties.iter().filter(|it| it.is_finished()).count() < 200 {
            thread::yield_now();
        }
        ours.close();
        for (i, party) in parties.into_iter().enumerate() {
            match party.join() {
                Ok(Err(ErrorKind::TimedOut)) => assert_eq!(i % 4, 0),
                Ok(result) => assert!(matches!(result, Ok(_) | Err(ErrorKind::Other))),
                Err(error) => assert!(error.is_cancelled() && i % 4 == 1),
            }
        }
        assert_eq!(poller.waiters(), 0);
    }
}
