//! What `cargo xtask instructions` counts the instructions of: `instructions OPERATION N` does an operation
//! N times, on one worker.
//!
//! Nothing here depends on the clock: the time slice never ends, and a sleep is over before it has begun.

use gorge::channel::bounded;
use gorge::patterns::Group;
use gorge::sync::Mutex;
use gorge::{Runtime, go, goroutine, select};
use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What does an operation so many times.
type Operation = fn(usize);

/// The operations, by name.
const OPERATIONS: &[(&str, Operation)] = &[
    ("yield", yields),
    ("spawn_join", spawn_join),
    ("park_unpark", park_unpark),
    ("rendezvous", |count| messages(0, count)),
    ("buffered", |count| messages(100, count)),
    ("select_3", select_3),
    ("mutex", mutex),
    ("sleep", sleep),
    ("blocking", blocking),
    ("try_recv", try_recv),
    ("batch", batch),
    ("batch_group", batch_group),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, count] = &*arguments else {
        eprintln!("give an operation and a count");
        return ExitCode::from(2);
    };
    let operation = OPERATIONS.iter().find(|(known, _)| known == name);
    let (Some((_, operation)), Ok(count)) = (operation, count.parse()) else {
        eprintln!("there is no operation `{name}`, or `{count}` is no count");
        return ExitCode::from(2);
    };
    let mut builder = Runtime::builder().max_procs(1);
    builder = builder.time_slice(Duration::from_secs(3600));
    if name == "blocking" {
        // A goroutine at home would hand it over to another thread.
        // SAFETY: the goroutine holds no reference into a thread-local and no thread-bound value.
        builder = unsafe { builder.migrating() };
    }
    let runtime = builder.build().expect("a runtime");
    runtime.run(move || operation(count));
    ExitCode::SUCCESS
}

/// Two goroutines take turns.
fn yields(count: usize) {
    let turns = move || (0..count / 2).for_each(|_| gorge::yield_now());
    let other = go(turns);
    turns();
    other.join().expect("it ends");
}

fn spawn_join(count: usize) {
    for _ in 0..count {
        go(|| black_box(())).join().expect("it ends");
    }
}

/// Two goroutines wake each other by turns; every one of these is a park and an unpark.
fn park_unpark(count: usize) {
    let turn = Arc::new(AtomicUsize::new(0));
    let (me, its) = (goroutine::current(), turn.clone());
    let other = go(move || {
        for number in (1..count).step_by(2) {
            while its.load(Ordering::Relaxed) < number {
                goroutine::park();
            }
            its.store(number + 1, Ordering::Relaxed);
            me.unpark();
        }
    });
    for number in (0..count).step_by(2) {
        turn.store(number + 1, Ordering::Relaxed);
        other.goroutine().unpark();
        while turn.load(Ordering::Relaxed) < number + 2 {
            goroutine::park();
        }
    }
    other.join().expect("it ends");
}

fn messages(room: usize, count: usize) {
    let (sender, receiver) = bounded(room);
    let other = go(move || {
        for number in 0..count {
            sender.send(number).expect("a receiver");
        }
    });
    for _ in 0..count {
        black_box(receiver.recv().expect("a sender"));
    }
    other.join().expect("it ends");
}

/// One sender, and a receiver that selects among its channel and two that nobody uses.
fn select_3(count: usize) {
    let (sender, receiver) = bounded(0);
    let (_second, never) = bounded::<usize>(0);
    let (_third, done) = bounded::<()>(0);
    let other = go(move || {
        for number in 0..count {
            sender.send(number).expect("a receiver");
        }
    });
    for _ in 0..count {
        select! {
            recv(receiver) -> number => _ = black_box(number.expect("a sender")),
            recv(never) -> _ => unreachable!("nobody sends it"),
            recv(done) -> _ => unreachable!("nobody sends it"),
        }
    }
    other.join().expect("it ends");
}

fn mutex(count: usize) {
    let lock = Mutex::new(0_usize);
    for _ in 0..count {
        *black_box(&lock).lock() += 1;
    }
}

/// A timer is set, the goroutine parks, the timer is due.
fn sleep(count: usize) {
    (0..count).for_each(|_| goroutine::sleep(Duration::from_nanos(1)));
}

fn blocking(count: usize) {
    (0..count).for_each(|_| gorge::blocking(|| black_box(())));
}

fn try_recv(count: usize) {
    let (_sender, receiver) = bounded::<usize>(1);
    for _ in 0..count {
        assert!(black_box(&receiver).try_recv().is_err());
    }
}

/// Goroutines in batches of a hundred, which are joined.
fn batch(count: usize) {
    for _ in 0..count / 100 {
        let handles: Vec<_> = (0..100)
            .map(|number| go(move || black_box(number)))
            .collect();
        for handle in handles {
            black_box(handle.join().expect("it ends"));
        }
    }
}

/// As tasks of a group.
fn batch_group(count: usize) {
    for _ in 0..count / 100 {
        let group = Group::new(&gorge::context::background());
        for number in 0..100 {
            let started = group.go(move || Ok::<_, std::fmt::Error>(black_box(number)));
            assert!(started.is_ok());
        }
        black_box(group.wait().expect("none fails"));
    }
}
