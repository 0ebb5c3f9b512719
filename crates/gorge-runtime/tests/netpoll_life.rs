//! Registrations and those who wait, when something ends or begins meanwhile:
//! cancels, recycled descriptors, runtimes that go.
#![allow(clippy::disallowed_methods, reason = "plain threads wait, too")]

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::netpoll::{Direction, PollError, Pollable};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    GoroutineState, JoinHandle, Runtime, blocking, go, goroutine, time, yield_now,
};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair")
}

fn register(stream: UnixStream) -> Arc<Pollable<UnixStream>> {
    Arc::new(Pollable::new(stream).expect("registered"))
}

fn read_one(stream: &Pollable<UnixStream>) -> std::io::Result<u8> {
    let mut byte = [0];
    let read = stream.io(Direction::Read, None, |mut stream| stream.read(&mut byte));
    read.map(|_| byte[0])
}

fn waiting(runtime: &Runtime) -> usize {
    let dump = runtime.dump_states();
    let waits = |state| state == GoroutineState::Waiting(WaitReason::Io);
    dump.goroutines()
        .iter()
        .filter(|it| waits(it.state))
        .count()
}

#[test]
fn a_cancel_ends_a_wait_and_others_go_on() {
    in_each_setting(|runtime| {
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        let party = || {
            let ours = ours.clone();
            runtime.go(move || read_one(&ours))
        };
        let parties: Vec<_> = (0..9).map(|_| party()).collect();
        wait_for(|| waiting(runtime) == 9);
        parties.iter().step_by(2).for_each(JoinHandle::cancel);
        wait_for(|| waiting(runtime) == 4);
        theirs.write_all(b"abcd").expect("written");
        for (i, party) in parties.into_iter().enumerate() {
            match party.join() {
                Ok(byte) => assert!(i % 2 == 1 && byte.is_ok()),
                Err(error) => assert!(i % 2 == 0 && error.is_cancelled()),
            }
        }
    });
}

#[test]
fn a_pending_cancel_is_delivered_before_the_first_attempt() {
    in_each_setting(|runtime| {
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        theirs.write_all(b"x").expect("written");
        let (reader, cancelled) = (ours.clone(), Arc::new(AtomicBool::new(false)));
        let seen = cancelled.clone();
        let party = runtime.go(move || {
            // Not a park point, so that the cancel is found by the read.
            while !seen.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            read_one(&reader)
        });
        wait_for(|| {
            let dump = runtime.dump_states();
            dump.goroutines()
                .iter()
                .any(|it| it.state == GoroutineState::Running)
        });
        party.cancel();
        cancelled.store(true, Ordering::Release);
        assert!(party.join().unwrap_err().is_cancelled());
        assert_eq!(read_one(&ours).expect("still there"), b'x');
    });
}

#[test]
fn operations_while_unwinding_still_wait() {
    struct Farewell(Arc<Pollable<UnixStream>>, Arc<AtomicUsize>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            let byte = read_one(&self.0).expect("an answer");
            self.1.fetch_add(usize::from(byte), Ordering::SeqCst);
        }
    }
    in_each_setting(|runtime| {
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        let count = Arc::new(AtomicUsize::new(0));
        let farewell = Farewell(ours, count.clone());
        let party = runtime.go(move || {
            let _farewell = farewell;
            goroutine::park_forever();
        });
        wait_for(|| {
            runtime
                .dump_states()
                .goroutines()
                .iter()
                .any(|it| it.state.is_waiting())
        });
        party.cancel();
        wait_for(|| count.load(Ordering::SeqCst) == 1);
        theirs.write_all(&[41]).expect("written");
        assert!(party.join().unwrap_err().is_cancelled());
        assert_eq!(count.load(Ordering::SeqCst), 42);
    });
}

#[test]
fn an_event_for_a_former_owner_of_the_descriptor_is_ignored() {
    const ROUNDS: usize = 10_000;
    let round = |late: bool| {
        let (old, mut peer) = pair();
        let old = Pollable::new(old).expect("registered");
        let number = old.get_ref().as_raw_fd();
        peer.write_all(b"x").expect("written");
        if late {
            // The event has been fetched, or will be when this has gone.
            yield_now();
        }
        drop((old, peer));
        let (new, _peer) = pair();
        let reused = number == new.as_raw_fd();
        let new = Pollable::new(new).expect("registered");
        let mut attempts = 0;
        let soon = time::deadline(Duration::from_micros(10));
        let read = new.io(Direction::Read, soon, |mut stream| {
            attempts += 1;
            stream.read(&mut [0])
        });
        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(attempts <= 1, "something woke it");
        usize::from(reused)
    };
    in_each_setting(|runtime| {
        let reused: usize = runtime.run(|| {
            let worker = || go(move || (0..ROUNDS / 10).map(|i| round(i % 2 == 0)).sum::<usize>());
            let workers = [worker(), worker()];
            workers
                .into_iter()
                .map(|it| it.join().expect("a count"))
                .sum()
        });
        assert!(reused > 0, "no number was ever given again");
    });
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let reused = runtime.run(|| (0..ROUNDS).map(|i| round(i % 3 == 0)).sum::<usize>());
    assert!(reused > 0);
}

#[test]
fn a_thousand_pairs_play_ping_pong() {
    const PAIRS: usize = 1000;
    const ROUNDS: usize = 10;
    in_each_setting(|runtime| {
        let player = |stream: UnixStream, serves: bool| {
            runtime.go(move || {
                let stream = Pollable::new(stream).expect("registered");
                for round in 0..ROUNDS as u8 {
                    if serves {
                        stream.get_ref().write_all(&[round]).expect("written");
                        assert_eq!(read_one(&stream).expect("a byte"), round);
                    } else {
                        assert_eq!(read_one(&stream).expect("a byte"), round);
                        stream.get_ref().write_all(&[round]).expect("written");
                    }
                }
            })
        };
        let mut players = Vec::new();
        for _ in 0..PAIRS {
            let (one, other) = pair();
            players.push(player(one, false));
            players.push(player(other, true));
        }
        players
            .into_iter()
            .for_each(|it| it.join().expect("it played"));
    });
}

#[test]
fn timers_and_runnable_goroutines_go_on_while_others_wait() {
    in_each_setting(|runtime| {
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        let reader = ours.clone();
        let read = runtime.go(move || read_one(&reader));
        wait_for(|| waiting(runtime) == 1);
        runtime.run(|| {
            for micros in 0..200 {
                let sleep = Duration::from_micros(micros);
                let start = Instant::now();
                goroutine::sleep(sleep);
                assert!(start.elapsed() >= sleep);
                (0..20).for_each(|_| yield_now());
            }
        });
        assert_eq!(waiting(runtime), 1);
        theirs.write_all(b"x").expect("written");
        assert_eq!(read.join().expect("a value").expect("a byte"), b'x');
    });
}

#[test]
fn parties_from_elsewhere_wait_in_a_runtimes_poller() {
    in_each_setting(|runtime| {
        let other = Runtime::builder().max_procs(1).build().expect("a runtime");
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        for round in 0..100 {
            let reader = ours.clone();
            let read = move || read_one(&reader).expect("a byte");
            if round % 2 == 0 {
                let party = other.go(read);
                wait_for(|| waiting(&other) == 1);
                theirs.write_all(b"g").expect("written");
                assert_eq!(party.join().expect("a value"), b'g');
            } else {
                let party = thread::spawn(read);
                theirs.write_all(b"t").expect("written");
                assert_eq!(party.join().expect("a value"), b't');
            }
        }
        let reader = ours.clone();
        let pooled = runtime.go(move || blocking(|| read_one(&reader).expect("a byte")));
        theirs.write_all(b"b").expect("written");
        assert_eq!(pooled.join().expect("a value"), b'b');
    });
}

#[test]
fn a_runtime_that_goes_ends_the_waits_of_others() {
    for round in 0..50 {
        let runtime = Runtime::builder()
            .max_procs(1 + round % 3)
            .build()
            .expect("a runtime");
        let other = Runtime::builder().max_procs(1).build().expect("a runtime");
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        let (one, two, own) = (ours.clone(), ours.clone(), ours.clone());
        let thread = thread::spawn(move || read_one(&one));
        let foreign = other.go(move || read_one(&two));
        let own = runtime.go(move || read_one(&own));
        if round % 2 == 0 {
            wait_for(|| waiting(&other) == 1);
        }
        drop(runtime);
        let ended = |error: std::io::Error| PollError::of(&error) == Some(PollError::RuntimeEnded);
        assert!(ended(thread.join().expect("a value").unwrap_err()));
        assert!(ended(foreign.join().expect("a value").unwrap_err()));
        assert!(own.join().unwrap_err().is_cancelled());
        // What need not wait still works; what must, says so.
        assert!(ended(read_one(&ours).unwrap_err()));
        theirs.write_all(b"x").expect("written");
        assert_eq!(read_one(&ours).expect("a byte"), b'x');
        // The stream can go on elsewhere.
        let stream = Arc::into_inner(ours).expect("the last one").into_inner();
        let again = other.run(|| register(stream));
        theirs.write_all(b"y").expect("written");
        assert_eq!(read_one(&again).expect("a byte"), b'y');
    }
}

#[test]
fn a_thread_whose_byte_comes_as_the_runtime_goes_is_woken() {
    for round in 0..300 {
        let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
        let (ours, mut theirs) = pair();
        let ours = runtime.run(|| register(ours));
        let reader = ours.clone();
        let reading = thread::spawn(move || read_one(&reader));
        thread::sleep(Duration::from_micros(150));
        let writing = thread::spawn(move || {
            (0..round % 50 * 20).for_each(|_| std::hint::spin_loop());
            theirs.write_all(b"x").expect("written");
            theirs
        });
        drop(runtime);
        let theirs = writing.join().expect("it wrote");
        match reading.join().expect("a value") {
            Ok(byte) => assert_eq!(byte, b'x'),
            Err(error) => assert_eq!(PollError::of(&error), Some(PollError::RuntimeEnded)),
        }
        drop(theirs);
    }
}

#[test]
fn what_cannot_be_registered_comes_back() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let file = File::open("Cargo.toml").expect("a file");
            let (file, error) = Pollable::new(file).unwrap_err().into_parts();
            assert_eq!(PollError::of(&error), Some(PollError::NotPollable));
            assert!(error.to_string().contains("blocking"), "{error}");
            assert!(file.metadata().is_ok());

            let (stream, _peer) = pair();
            let first = Pollable::new(&stream).expect("registered");
            let (_, error) = Pollable::new(&stream).unwrap_err().into_parts();
            assert_eq!(PollError::of(&error), Some(PollError::AlreadyRegistered));
            drop(first);
            let again = Pollable::new(&stream).expect("registered");
            // A registration that is not dropped goes on, and harms nobody else.
            let kept = ManuallyDrop::new(again);
            assert!(Pollable::new(&stream).is_err());
            let copy = stream.try_clone().expect("a copy");
            drop(Pollable::new(copy).expect("registered"));
            drop(ManuallyDrop::into_inner(kept));
        });
    });
}

#[test]
fn closes_race_with_operations_and_drops() {
    in_each_setting(|runtime| {
        for round in 0..200 {
            let (ours, mut theirs) = pair();
            let ours = runtime.run(|| register(ours));
            let party = |_| {
                let ours = ours.clone();
                runtime.go(move || while read_one(&ours).is_ok_and(|byte| byte != 0) {})
            };
            let parties: Vec<_> = (0..3).map(party).collect();
            if round % 2 == 0 {
                theirs.write_all(&[1; 10]).expect("written");
            }
            match round % 3 {
                0 => ours.close(),
                1 => ours.set_deadline(Direction::Read, Some(Instant::now())),
                _ => drop(theirs),
            }
            parties
                .into_iter()
                .for_each(|it| it.join().expect("it ended"));
        }
    });
}

#[test]
fn a_source_that_takes_on_anothers_descriptor_does_not_end_its_registration() {
    /// Says that it is the second stream once it is told to.
    struct Turncoat([Arc<UnixStream>; 2], Arc<AtomicBool>);
    impl AsFd for Turncoat {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0[usize::from(self.1.load(Ordering::SeqCst))].as_fd()
        }
    }
    in_each_setting(|runtime| {
        let (first, _other) = pair();
        let (second, mut theirs) = pair();
        let (second, turns) = (Arc::new(second), Arc::new(AtomicBool::new(false)));
        let turncoat = Turncoat([Arc::new(first), second.clone()], turns.clone());
        let turncoat = runtime.run(|| Pollable::new(turncoat).expect("registered"));
        let second = runtime.run(|| Pollable::new(second).expect("registered"));
        turns.store(true, Ordering::SeqCst);
        drop(turncoat);
        let reader = runtime.go(move || {
            let deadline = time::deadline(Duration::from_secs(5));
            let read = |stream: &Arc<UnixStream>| (&mut &**stream).read(&mut [0]);
            second.io(Direction::Read, deadline, read)
        });
        wait_for(|| waiting(runtime) == 1);
        theirs.write_all(b"a").expect("written");
        assert_eq!(reader.join().expect("it came back").expect("it read"), 1);
    });
}
