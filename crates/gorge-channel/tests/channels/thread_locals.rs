//! Channels in the destructors of thread-locals: a thread that exits may still wait,
//! whatever of its own is gone by then.
//!
//! A panic in such a destructor aborts the process, so what a destructor found is
//! reported to the test, which judges it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use crate::common::{Census, LONG, everywhere};
use gorge_channel::{Receiver, RecvError, Select, Sender, bounded, never, select, unbounded};
use gorge_runtime::{Runtime, blocking, go};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What a thread does when it exits.
struct LastWords(Vec<Box<dyn FnOnce()>>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|speak| speak());
    }
}

thread_local! {
    static LAST_WORDS: RefCell<LastWords> = const { RefCell::new(LastWords(Vec::new())) };
}

/// When a thread uses the library, seen from the thread-local whose destructor uses it.
/// Destructors run in an order that depends on this.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// For the first time in the destructor.
    Never,
    /// Before the thread-local was there.
    First,
    /// After the thread-local was there.
    Second,
}

const BEFORES: [Before; 3] = [Before::Never, Before::First, Before::Second];

/// Uses what the library keeps per thread: it waits, and chooses at random.
fn use_the_library() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    select! {
        recv(receiver) -> value => assert_eq!(value, Ok(1)),
        recv(never::<i32>()) -> _ => unreachable!(),
    }
    select! {
        recv(receiver) -> _ => unreachable!(),
        recv(never::<i32>()) -> _ => unreachable!(),
        default(Duration::from_millis(1)) => {}
    }
}

/// Runs a body when a thread of its own exits, and returns what it returned.
fn at_thread_exit<T: Send + 'static>(
    before: Before,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (report, reported) = std::sync::mpsc::channel();
    let exits = thread::spawn(move || {
        if let Before::First = before {
            use_the_library();
        }
        let speak = Box::new(move || report.send(body()).unwrap());
        LAST_WORDS.with(|words| words.borrow_mut().0.push(speak));
        if let Before::Second = before {
            use_the_library();
        }
    });
    let result = blocking(move || {
        exits.join().unwrap();
        reported.recv()
    });
    result.expect("the destructor ran to its end")
}

#[test]
fn a_select_in_a_destructor_waits_until_its_timeout() {
    for before in BEFORES {
        let found = at_thread_exit(before, || {
            let nothing = never::<i32>();
            select! {
                recv(nothing) -> _ => false,
                recv(never::<u8>()) -> _ => false,
                default(Duration::from_millis(2)) => true,
            }
        });
        assert!(found, "{before:?}");
    }
}

/// What happens at the end of a thread while the test's parties are at the other ends.
fn last_words_meet_partners(speak: fn(&Receiver<i32>, &Sender<i32>) -> i32) {
    everywhere(|parties| {
        for before in BEFORES {
            for capacity in [Some(0), Some(1), None] {
                let new = || capacity.map_or_else(unbounded, bounded);
                let ((to, inbox), (outbox, from)) = (new(), new());
                let kept = inbox.clone();
                let heard = parties.scope(|scope| {
                    scope.spawn(move || {
                        parties.settle();
                        to.send(1).unwrap();
                    });
                    let hears = scope.spawn(move || from.iter().sum::<i32>());
                    let said = at_thread_exit(before, move || speak(&inbox, &outbox));
                    assert_eq!(said, 1, "{before:?}");
                    hears.join()
                });
                drop(kept);
                assert_eq!(heard, 2, "{before:?}");
            }
        }
    });
}

#[test]
fn plain_operations_in_a_destructor_wait_for_their_partners() {
    last_words_meet_partners(|inbox, outbox| {
        let got = inbox.recv().unwrap_or(-1);
        outbox.send(2).map_or(-1, |()| got)
    });
}

#[test]
fn timed_operations_in_a_destructor_wait_for_their_partners() {
    last_words_meet_partners(|inbox, outbox| {
        let got = inbox.recv_timeout(LONG).unwrap_or(-1);
        outbox.send_timeout(2, LONG).map_or(-1, |()| got)
    });
}

#[test]
fn selects_in_a_destructor_wait_for_their_partners() {
    last_words_meet_partners(|inbox, outbox| {
        let nothing = never::<i32>();
        let got = select! {
            recv(inbox) -> value => value.unwrap_or(-1),
            recv(nothing) -> _ => -1,
        };
        select! {
            send(outbox, 2) -> sent => sent.map_or(-1, |()| got),
            recv(nothing) -> _ => -1,
        }
    });
}

#[test]
fn dynamic_selects_in_a_destructor_wait_for_their_partners() {
    last_words_meet_partners(|inbox, outbox| {
        let nothing: Vec<Receiver<i32>> = (0..20).map(|_| never()).collect();
        let mut select = Select::new();
        nothing.iter().for_each(|nothing| _ = select.recv(nothing));
        let (receives, sends) = (select.recv(inbox), select.send(outbox));
        let (mut got, mut sent) = (None, false);
        while got.is_none() || !sent {
            let operation = select.select();
            let index = operation.index();
            match index {
                index if index == receives => got = operation.recv(inbox).ok(),
                index if index == sends => sent = operation.send(outbox, 2).is_ok(),
                _ => return -1,
            }
            select.remove(index);
        }
        got.unwrap_or(-1)
    });
}

#[test]
fn handles_that_go_with_a_thread_end_the_channel_for_those_who_wait() {
    everywhere(|parties| {
        for before in BEFORES {
            let (sender, receiver) = bounded::<i32>(0);
            let (other, refuses) = bounded::<i32>(0);
            parties.scope(|scope| {
                let receives = scope.spawn(|| receiver.recv());
                let sends = scope.spawn(|| other.send(3).map_err(|error| error.into_inner()));
                let selects = scope.spawn(|| {
                    select! {
                        recv(receiver) -> value => value,
                        recv(never()) -> value => value,
                    }
                });
                parties.settle();
                at_thread_exit(before, move || drop((sender, refuses)));
                assert_eq!(receives.join(), Err(RecvError));
                assert_eq!(selects.join(), Err(RecvError));
                assert_eq!(sends.join(), Err(3));
            });
        }
    });
}

#[test]
fn values_that_go_with_a_thread_are_dropped_once() {
    static CENSUS: std::sync::LazyLock<Census> = std::sync::LazyLock::new(Census::default);
    for before in BEFORES {
        for (sender, receiver) in [bounded(10), unbounded()] {
            for number in 0..10 {
                assert!(sender.send(CENSUS.value(number)).is_ok());
            }
            let closed = at_thread_exit(before, move || {
                let first = receiver.recv().map(|value| value.number);
                drop(receiver);
                (first, sender.is_closed() && sender.is_empty())
            });
            assert_eq!(closed, (Ok(0), true));
            assert_eq!(CENSUS.alive(), 0);
        }
    }
}

/// A worker is a thread too: what a goroutine leaves in its thread-locals goes when the
/// runtime does.
#[test]
fn destructors_of_a_workers_thread_locals_wait_for_their_partners() {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = if migrating {
            // SAFETY: the goroutine holds nothing of a thread across a park point; what it
            // leaves in a thread-local stays there.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        let runtime = builder.build().expect("a runtime");
        let (to, inbox) = bounded::<i32>(0);
        let (outbox, from) = bounded::<i32>(0);
        let leaves = runtime.go(move || {
            use_the_library();
            let speak = Box::new(move || {
                let nothing = never::<i32>();
                select! {
                    recv(inbox) -> value => _ = value.map(|value| outbox.send(value + 1)),
                    recv(nothing) -> _ => {}
                }
            });
            LAST_WORDS.with(|words| words.borrow_mut().0.push(speak));
        });
        leaves.join().unwrap();
        let partner = thread::spawn(move || {
            to.send(1).unwrap();
            from.recv()
        });
        drop(runtime);
        assert_eq!(partner.join().unwrap(), Ok(2));
    }
}

/// When a runtime ends, what lies on its goroutines' stacks is dropped: those destructors
/// may send to whoever listens.
#[test]
fn goroutines_that_end_with_their_runtime_speak_to_threads_outside() {
    struct Speaks(Sender<usize>, Arc<AtomicBool>);
    impl Drop for Speaks {
        fn drop(&mut self) {
            let nothing = never::<i32>();
            select! {
                send(self.0, 1) -> sent => self.1.store(sent.is_ok(), Ordering::SeqCst),
                recv(nothing) -> _ => {}
            }
        }
    }
    const COUNT: usize = 10;
    for migrating in [false, true] {
        let (outbox, from) = bounded::<usize>(0);
        let (begun, begins) = bounded::<()>(COUNT);
        let spoke: Vec<_> = (0..COUNT)
            .map(|_| Arc::new(AtomicBool::new(false)))
            .collect();
        let listens = thread::spawn(move || from.iter().sum::<usize>());
        let builder = Runtime::builder().max_procs(2);
        let builder = if migrating {
            // SAFETY: as above.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        builder.build().expect("a runtime").run(|| {
            for spoke in &spoke {
                let speaks = Speaks(outbox.clone(), spoke.clone());
                let begun = begun.clone();
                drop(go(move || {
                    let _speaks = speaks;
                    begun.send(()).unwrap();
                    let (_idle, nothing) = bounded::<i32>(0);
                    _ = nothing.recv();
                }));
            }
            (0..COUNT).for_each(|_| begins.recv().unwrap());
        });
        drop(outbox);
        assert_eq!(listens.join().unwrap(), COUNT);
        assert!(spoke.iter().all(|spoke| spoke.load(Ordering::SeqCst)));
    }
}
