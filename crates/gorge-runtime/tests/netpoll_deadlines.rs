//! Deadlines of descriptors that are set, moved and lifted all the time, and ends
//! that come from the other side.
//!
//! What is adopted of Go's tests of package net has the Go test's name above it.

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::netpoll::{Direction, PollError, Pollable};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, time, yield_now};
use std::io::{self, ErrorKind, Read, Write, pipe};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

type Stream = Arc<Pollable<UnixStream>>;

const HOUR: Duration = Duration::from_secs(3600);

fn stream_pair(runtime: &Runtime) -> (Stream, Stream) {
    let (one, other) = UnixStream::pair().expect("a pair");
    let register = |stream| runtime.run(|| Arc::new(Pollable::new(stream).expect("registered")));
    (register(one), register(other))
}

fn read(stream: &Pollable<UnixStream>, buffer: &mut [u8]) -> io::Result<usize> {
    stream.io(Direction::Read, None, |mut stream| stream.read(buffer))
}

fn write(stream: &Pollable<UnixStream>, bytes: &[u8]) -> io::Result<usize> {
    stream.io(Direction::Write, None, |mut stream| stream.write(bytes))
}

fn write_all(stream: &Pollable<UnixStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[write(stream, bytes)?..];
    }
    Ok(())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn is_closed<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| PollError::of(&error) == Some(PollError::Closed))
}

fn waiting(runtime: &Runtime) -> usize {
    let dump = runtime.dump();
    let waits = |state| state == GoroutineState::Waiting(WaitReason::Io);
    let goroutines = dump.goroutines().iter();
    goroutines.filter(|it| waits(it.state)).count()
}

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let joined = handles.into_iter().map(JoinHandle::join);
    joined.map(|result| result.expect("it ended")).collect()
}

/// Writes until the stream is closed or its other end has gone.
fn flood(stream: Stream) -> impl FnOnce() + Send + 'static {
    move || while write(&stream, &[7; 4096]).is_ok() {}
}

// TestVariousDeadlines
#[test]
fn reads_that_always_find_something_still_end_at_their_deadline() {
    let micros = [0, 1, 2, 5, 50, 100, 500, 1000, 5000, 20_000];
    let lengths = [1, 5, 50, 500].map(Duration::from_nanos);
    let lengths = lengths.into_iter().chain(micros.map(Duration::from_micros));
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        let flood = runtime.go(flood(theirs));
        let client = ours.clone();
        let lengths = lengths.clone();
        runtime.run(move || {
            let mut buffer = [0; 4096];
            for length in lengths {
                let deadline = time::now() + length;
                client.set_deadline(Direction::Read, Some(deadline));
                let end = loop {
                    match read(&client, &mut buffer) {
                        Ok(count) => assert!(count > 0),
                        Err(error) => break error.kind(),
                    }
                };
                assert_eq!(end, ErrorKind::TimedOut);
                assert!(time::now() >= deadline);
            }
        });
        ours.close();
        drop(ours);
        flood.join().expect("the other end has gone");
    });
}

// TestReadWriteProlongedTimeout
#[test]
fn deadlines_that_are_put_off_before_each_operation_never_pass() {
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        let party = |stream: Stream, begins: bool| {
            runtime.go(move || {
                let mut byte = [0];
                for _ in 0..500 {
                    for writes in [begins, !begins] {
                        if writes {
                            stream.set_deadline(Direction::Write, time::deadline(HOUR));
                            write_all(&stream, &byte).expect("written");
                        } else {
                            stream.set_deadline(Direction::Read, time::deadline(HOUR));
                            assert_eq!(read(&stream, &mut byte).expect("a byte"), 1);
                        }
                    }
                    byte[0] = byte[0].wrapping_add(u8::from(begins));
                }
                byte[0]
            })
        };
        let bytes = join_all([party(ours, true), party(theirs, false)]);
        assert_eq!(bytes[0], bytes[1].wrapping_add(1));
    });
}

// TestReadWriteDeadlineRace
#[test]
fn deadlines_that_pass_all_the_time_lose_no_operation() {
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        let done = Arc::new(AtomicBool::new(false));
        let (reader, writer) = (ours.clone(), ours.clone());
        let reader = runtime.go(move || {
            let mut buffer = [0; 1024];
            let mut ends = [0; 2];
            while ends.contains(&0) {
                let result = read(&reader, &mut buffer);
                ends[usize::from(result.is_ok())] += 1;
                assert!(matches!(kind(result), None | Some(ErrorKind::TimedOut)));
                yield_now();
            }
        });
        let writer = runtime.go(move || {
            let mut ends = [0; 2];
            while ends.contains(&0) {
                let result = write(&writer, &[1; 1 << 16]);
                ends[usize::from(result.is_ok())] += 1;
                assert!(matches!(kind(result), None | Some(ErrorKind::TimedOut)));
                yield_now();
            }
        });
        let echoing = theirs.clone();
        let echo = runtime.go(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = read(&echoing, &mut buffer) {
                if write_all(&echoing, &buffer[..count.min(16)]).is_err() {
                    break;
                }
                time::sleep(Duration::from_micros(5));
            }
        });
        let (setting, over) = (ours.clone(), done.clone());
        let setter = runtime.go(move || {
            while !over.load(Ordering::Relaxed) {
                let soon = time::deadline(Duration::from_micros(20));
                setting.set_deadline(Direction::Read, soon);
                setting.set_deadline(Direction::Write, soon);
                time::sleep(Duration::from_micros(30));
                setting.set_deadline(Direction::Read, None);
                setting.set_deadline(Direction::Write, None);
                time::sleep(Duration::from_micros(30));
            }
        });
        join_all([reader, writer]);
        done.store(true, Ordering::Relaxed);
        theirs.close();
        join_all([echo, setter]);
    });
}

// TestConcurrentSetDeadline
#[test]
fn many_set_ever_earlier_deadlines_of_the_same_sources() {
    in_each_setting(|runtime| {
        let pairs: Vec<_> = (0..10).map(|_| stream_pair(runtime)).collect();
        let waits = |(ours, _): &(Stream, Stream)| {
            let ours = ours.clone();
            runtime.go(move || kind(ours.wait_readable(None)))
        };
        let waiters: Vec<_> = pairs.iter().map(waits).collect();
        wait_for(|| waiting(runtime) == pairs.len());
        let setters = (0..8_u32).map(|i| {
            let ours: Vec<_> = pairs.iter().map(|(ours, _)| ours.clone()).collect();
            runtime.go(move || {
                let now = time::now();
                for hours in (1..=100).rev() {
                    for stream in &ours {
                        stream.set_deadline(Direction::Read, Some(now + hours * HOUR));
                    }
                    if hours % 8 == i {
                        yield_now();
                    }
                }
            })
        });
        join_all(setters.collect::<Vec<_>>());
        assert!(waiters.iter().all(|it| !it.is_finished()));
        for (ours, _) in &pairs {
            ours.set_deadline(Direction::Read, Some(time::now()));
        }
        let ends = join_all(waiters);
        assert!(ends.iter().all(|&end| end == Some(ErrorKind::TimedOut)));
    });
}

// TestReadTimeoutMustNotReturn
#[test]
fn a_deadline_that_was_lifted_ends_no_wait() {
    in_each_setting(|runtime| {
        let was_in_time = || {
            let (ours, _theirs) = stream_pair(runtime);
            let deadline = time::now() + Duration::from_millis(20);
            ours.set_deadline(Direction::Read, Some(deadline));
            let reader = ours.clone();
            let read = runtime.go(move || read(&reader, &mut [0]));
            wait_for(|| waiting(runtime) == 1 || read.is_finished());
            ours.set_deadline(Direction::Read, None);
            if time::now() >= deadline {
                ours.close();
                return read.join().is_err();
            }
            runtime.run(|| time::sleep_until(deadline + Duration::from_millis(5)));
            assert!(!read.is_finished());
            ours.close();
            assert!(is_closed(read.join().expect("a result")));
            true
        };
        while !was_in_time() {}
    });
}

// TestPastTimeout, TestFutureTimeout
#[test]
fn a_source_is_as_good_as_new_after_deadlines_have_passed() {
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        runtime.run(|| {
            for round in 0..20 {
                let passed = time::now() + Duration::from_micros(100) * (round % 2);
                ours.set_deadline(Direction::Read, Some(passed));
                ours.set_deadline(Direction::Write, Some(passed));
                assert_eq!(kind(read(&ours, &mut [0; 8])), Some(ErrorKind::TimedOut));
                time::sleep_until(passed);
                assert_eq!(kind(write(&ours, b"lost")), Some(ErrorKind::TimedOut));
                ours.set_deadline(Direction::Read, None);
                ours.set_deadline(Direction::Write, None);
                write_all(&ours, b"question").expect("written");
                let mut text = [0; 8];
                assert_eq!(read(&theirs, &mut text).expect("read"), 8);
                assert_eq!(&text, b"question");
                write_all(&theirs, b"answer").expect("written");
                assert_eq!(read(&ours, &mut text).expect("read"), 6);
                assert_eq!(&text[..6], b"answer");
            }
        });
    });
}

// TestEndlessWrite
#[test]
fn a_write_to_somebody_who_never_reads_ends_at_its_deadline() {
    in_each_setting(|runtime| {
        let (ours, _theirs) = stream_pair(runtime);
        let writer = ours.clone();
        let write = runtime.go(move || kind(write_all(&writer, &vec![0; 16 << 20])));
        wait_for(|| waiting(runtime) == 1);
        ours.set_deadline(Direction::Write, time::deadline(Duration::from_millis(1)));
        assert_eq!(write.join().expect("a result"), Some(ErrorKind::TimedOut));
    });
}

// TestCloseRead, TestCloseWrite
#[test]
fn a_half_close_ends_one_direction_of_each_side() {
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        let reader = theirs.clone();
        let end = runtime.go(move || read(&reader, &mut [0]).expect("the end"));
        wait_for(|| waiting(runtime) == 1);
        ours.get_ref().shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(end.join().expect("a result"), 0);
        runtime.run(|| {
            assert_eq!(kind(write(&ours, b"x")), Some(ErrorKind::BrokenPipe));
            write_all(&theirs, b"y").expect("the other direction is open");
            assert_eq!(read(&ours, &mut [0]).expect("a byte"), 1);
        });
    });
}

// TestEPIPE
#[test]
fn a_write_that_waits_fails_when_the_reader_has_gone() {
    in_each_setting(|runtime| {
        let (reader, writer) = pipe().expect("a pipe");
        let writer = runtime.run(|| Pollable::new(writer).expect("registered"));
        let write = runtime.go(move || {
            loop {
                let result = writer.io(Direction::Write, None, |mut to| to.write(&[0; 4096]));
                if let Err(error) = result {
                    return error.kind();
                }
            }
        });
        wait_for(|| waiting(runtime) == 1);
        drop(reader);
        assert_eq!(write.join().expect("a result"), ErrorKind::BrokenPipe);
    });
}

// TestTCPConcurrentAccept
#[test]
fn many_accept_from_one_listener_until_it_is_closed() {
    const CLIENTS: usize = 100;
    in_each_setting(|runtime| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let listener = runtime.run(|| Arc::new(Pollable::new(listener).expect("registered")));
        let accepted = Arc::new(AtomicUsize::new(0));
        let acceptor = |_| {
            let (listener, accepted) = (listener.clone(), accepted.clone());
            runtime.go(move || {
                let accept = |listener: &TcpListener| listener.accept();
                loop {
                    match listener.io(Direction::Read, None, accept) {
                        Ok(_) => accepted.fetch_add(1, Ordering::Relaxed),
                        Err(error) => return is_closed::<()>(Err(error)),
                    };
                }
            })
        };
        let acceptors: Vec<_> = (0..10).map(acceptor).collect();
        let clients = (0..CLIENTS).map(|_| TcpStream::connect(address).expect("connected"));
        let clients: Vec<_> = clients.collect();
        wait_for(|| accepted.load(Ordering::Relaxed) == CLIENTS);
        listener.close();
        assert!(join_all(acceptors).into_iter().all(|closed| closed));
        drop(clients);
    });
}

// nettest BasicIO
#[test]
fn a_megabyte_arrives_as_it_was_sent() {
    in_each_setting(|runtime| {
        let (ours, theirs) = stream_pair(runtime);
        let mut seed = 1_u64;
        let bytes: Arc<Vec<u8>> = Arc::new(
            std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .take(1 << 20)
            .collect(),
        );
        let sent = bytes.clone();
        let writer = runtime.go(move || {
            let mut chunks = sent.chunks(1024);
            chunks.all(|chunk| write_all(&ours, chunk).is_ok())
        });
        let reader = runtime.go(move || {
            let (mut received, mut buffer) = (Vec::new(), [0; 1024]);
            while let Ok(count @ 1..) = read(&theirs, &mut buffer) {
                received.extend_from_slice(&buffer[..count]);
            }
            received
        });
        assert!(writer.join().expect("it wrote"));
        assert!(reader.join().expect("it read") == *bytes);
    });
}
