//! What is durably blocked, and what settling waits for.

#![allow(
    clippy::disallowed_types,
    reason = "what is noted is locked for a moment"
)]

use gorge::channel::{after, bounded, never, unbounded};
use gorge::sync::{Barrier, Condvar, Mutex, Once, RwLock, Semaphore, WaitGroup};
use gorge::{blocking, go, goroutine, select, sim, time, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

const SEEDS: u64 = 200;
const SECOND: Duration = Duration::from_secs(1);

fn message_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref().map(|text: &&str| (*text).to_owned()))
        .expect("a message")
}

#[test]
fn nobody_else_is_settled_at_once() {
    sim::check(SEEDS, || {
        let start = time::now();
        sim::settle();
        sim::settle();
        assert_eq!(time::now(), start);
    });
}

#[test]
fn a_chain_of_goroutines_has_ended_when_all_is_settled() {
    fn link(left: u32, ended: &Arc<AtomicU32>) {
        let (sender, receiver) = bounded(0);
        if left > 1 {
            let ended = ended.clone();
            go(move || link(left - 1, &ended));
        }
        go(move || sender.send(left).expect("somebody listens"));
        assert_eq!(receiver.recv(), Ok(left));
        ended.fetch_add(1, Relaxed);
    }
    sim::check(SEEDS, || {
        let ended = Arc::new(AtomicU32::new(0));
        let first = ended.clone();
        go(move || link(100, &first));
        sim::settle();
        assert_eq!(ended.load(Relaxed), 100);
    });
}

/// What blocks until somebody ends it, and what does that.
struct Blocked {
    wait: Box<dyn FnOnce() + Send>,
    end: Box<dyn FnOnce() + Send>,
}

impl Blocked {
    fn by<T: Send + Sync + 'static>(
        shared: T,
        wait: impl FnOnce(&T) + Send + 'static,
        end: impl FnOnce(&T) + Send + 'static,
    ) -> Blocked {
        let shared = Arc::new(shared);
        let other = shared.clone();
        Blocked {
            wait: Box::new(move || wait(&shared)),
            end: Box::new(move || end(&other)),
        }
    }
}

const WAITS: usize = 8;

fn wait_number(number: usize) -> Blocked {
    match number {
        0 => Blocked::by(
            unbounded(),
            |it| assert_eq!(it.1.recv(), Ok(1)),
            |it| it.0.send(1).expect("it is open"),
        ),
        1 => {
            let full = bounded(1);
            full.0.send(0).expect("there is room");
            Blocked::by(
                full,
                |it| it.0.send(1).expect("it is open"),
                |it| assert_eq!(it.1.recv(), Ok(0)),
            )
        }
        2 => Blocked::by(
            unbounded(),
            |it| {
                select! {
                    recv(it.1) -> value => assert_eq!(value, Ok(1)),
                    recv(never::<()>()) -> _ => unreachable!(),
                }
            },
            |it| it.0.send(1).expect("it is open"),
        ),
        3 => {
            let group = WaitGroup::new();
            group.add(1);
            Blocked::by(group, WaitGroup::wait, WaitGroup::done)
        }
        4 => Blocked::by(
            (Mutex::new(()), Condvar::new()),
            |it| it.1.wait(&mut it.0.lock()),
            |it| assert!(it.1.notify_one()),
        ),
        5 => Blocked::by(
            Semaphore::new(0),
            |it| it.acquire().expect("it is open").forget(),
            |it| it.add_permits(1),
        ),
        6 => Blocked::by(Barrier::new(2), |it| _ = it.wait(), |it| _ = it.wait()),
        _ => Blocked::by((), |()| time::sleep(SECOND), |()| time::sleep(2 * SECOND)),
    }
}

#[test]
fn every_wait_is_durable_and_ends() {
    for number in 0..WAITS {
        sim::check(SEEDS, || {
            let Blocked { wait, end } = wait_number(number);
            let has_ended = Arc::new(AtomicU32::new(0));
            let waits = go({
                let has_ended = has_ended.clone();
                move || {
                    wait();
                    has_ended.store(1, Relaxed);
                }
            });
            sim::settle();
            assert_eq!(has_ended.load(Relaxed), 0, "{number} did not wait");
            end();
            sim::settle();
            assert_eq!(has_ended.load(Relaxed), 1, "{number} waits on");
            waits.join().expect("it has ended");
        });
    }
}

#[test]
fn locks_are_durable_waits_too() {
    sim::check(SEEDS, || {
        let shared = Arc::new((Mutex::new(0), RwLock::new(0)));
        let (locked, read) = (shared.0.lock(), shared.1.read());
        let writers = [true, false].map(|first| {
            let shared = shared.clone();
            go(move || match first {
                true => *shared.0.lock() += 1,
                false => *shared.1.write() += 1,
            })
        });
        sim::settle();
        assert!(writers.iter().all(|writer| !writer.is_finished()));
        drop((locked, read));
        sim::settle();
        assert!(writers.iter().all(|writer| writer.is_finished()));
        writers
            .into_iter()
            .for_each(|it| it.join().expect("it has ended"));
    });
}

#[test]
fn a_once_that_another_runs_and_a_park_are_durable() {
    sim::check(SEEDS, || {
        let shared = Arc::new((Once::new(), bounded::<()>(0)));
        let both = [0, 1].map(|_| {
            let shared = shared.clone();
            go(move || shared.0.call_once(|| assert!(shared.1.1.recv().is_ok())))
        });
        let parked = go(goroutine::park);
        sim::settle();
        assert!(both.iter().all(|it| !it.is_finished()) && !parked.is_finished());
        parked.goroutine().unpark();
        shared.1.0.send(()).expect("somebody listens");
        sim::settle();
        assert!(both.iter().all(|it| it.is_finished()) && parked.is_finished());
        both.into_iter()
            .for_each(|it| it.join().expect("it has ended"));
        parked.join().expect("it has ended");
    });
}

#[test]
fn who_yields_or_computes_is_not_settled() {
    sim::check(SEEDS, || {
        let steps = Arc::new(AtomicU32::new(0));
        let busy = go({
            let steps = steps.clone();
            move || {
                for _ in 0..10 {
                    yield_now();
                    blocking(|| ());
                    steps.fetch_add(1, Relaxed);
                }
            }
        });
        sim::settle();
        assert_eq!(steps.load(Relaxed), 10);
        busy.join().expect("it has ended");
    });
}

#[test]
fn several_settle_one_after_the_other() {
    let orders = std::sync::Mutex::new(std::collections::HashSet::new());
    sim::check(SEEDS, || {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let all = [0, 1, 2].map(|number| {
            let order = order.clone();
            go(move || {
                sim::settle();
                order.lock().expect("not poisoned").push(number);
                yield_now();
                order.lock().expect("not poisoned").push(number);
                // The others settle still, or wait as this one does.
                time::sleep(SECOND);
            })
        });
        time::sleep(SECOND / 2);
        let order = order.lock().expect("not poisoned").clone();
        assert!(order.chunks(2).all(|pair| pair[0] == pair[1]), "{order:?}");
        assert_eq!(order.len(), 6);
        all.into_iter()
            .for_each(|it| it.join().expect("it has ended"));
        orders.lock().expect("not poisoned").insert(order);
    });
    assert_eq!(orders.lock().expect("not poisoned").len(), 6);
}

#[test]
fn what_settles_sees_what_the_others_did_before_any_time_passes() {
    sim::check(SEEDS, || {
        let start = time::now();
        let (sender, receiver) = unbounded();
        let ticker = go(move || {
            for number in 1.. {
                time::sleep(SECOND);
                if sender.send((number, time::now())).is_err() {
                    return;
                }
            }
        });
        for number in 1..10 {
            sim::settle();
            assert!(receiver.is_empty());
            time::sleep(SECOND);
            sim::settle();
            assert_eq!(receiver.try_recv(), Ok((number, start + number * SECOND)));
        }
        drop(receiver);
        ticker.join().expect("it has ended");
    });
}

#[test]
fn a_cancel_ends_settling() {
    sim::check(SEEDS, || {
        let busy = go(|| (0..5).for_each(|_| yield_now()));
        let settles = go(sim::settle);
        yield_now();
        settles.cancel();
        let ended = settles.join();
        assert!(ended.map_or_else(|error| error.is_cancelled(), |()| true));
        busy.join().expect("it has ended");
        sim::settle();
    });
}

#[test]
fn settling_outside_of_a_simulation_is_refused() {
    let refused = "gorge::sim::settle outside of a simulation";
    assert!(message_of(sim::settle).contains(refused));
    assert!(message_of(|| gorge::run(sim::settle)).contains(refused));
    let inside_of_blocking = || sim::run(1, || blocking(sim::settle));
    assert!(message_of(inside_of_blocking).contains(refused));
}

#[test]
fn what_was_made_outside_may_be_used() {
    let (sender, receiver) = bounded(1);
    let timer = after(SECOND);
    let closed = unbounded::<u32>().1;
    let group = WaitGroup::new();
    for seed in 0..SEEDS {
        let (sender, receiver, timer, closed) = (&sender, &receiver, &timer, &closed);
        let group = group.clone();
        sim::run(seed, move || {
            assert!(closed.recv().is_err());
            sender.send(seed).expect("it is open");
            assert_eq!(receiver.recv(), Ok(seed));
            group.add(1);
            goroutine::scope(|scope| {
                scope.spawn(|| group.done());
                group.wait();
                scope.spawn(|| assert!(receiver.recv_timeout(SECOND).is_err()));
            });
            if seed == 0 {
                timer.recv().expect("its time comes");
            }
            assert!(timer.try_recv().is_err());
        });
    }
}
