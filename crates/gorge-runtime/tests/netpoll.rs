//! Waiting for descriptors: on goroutines of both placements and on OS threads.
#![allow(
    clippy::disallowed_methods,
    reason = "compares goroutines with plain threads"
)]

mod common;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::netpoll::{Direction, PollError, Pollable};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, time};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Where the parties of a test run.
enum Place<'a> {
    Goroutines(&'a Runtime),
    Threads,
}

enum Handle<T> {
    Goroutine(JoinHandle<T>),
    Thread(thread::JoinHandle<T>),
}

impl Place<'_> {
    fn start<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Handle<T> {
        match self {
            Place::Goroutines(runtime) => Handle::Goroutine(runtime.go(f)),
            Place::Threads => Handle::Thread(thread::spawn(f)),
        }
    }

    /// Waits until so many goroutines wait for a descriptor. Threads do not
    /// tell: they get a moment.
    fn until_waiting(&self, count: usize) {
        match self {
            Place::Goroutines(runtime) => wait_for(|| waiting(runtime) >= count),
            Place::Threads => thread::sleep(Duration::from_micros(200)),
        }
    }

    /// Makes something where its poller is this place's.
    fn make<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        match self {
            Place::Goroutines(runtime) => runtime.run(f),
            Place::Threads => f(),
        }
    }
}

impl<T> Handle<T> {
    fn join(self) -> T {
        match self {
            Handle::Goroutine(handle) => handle.join().expect("a value"),
            Handle::Thread(handle) => handle.join().expect("a value"),
        }
    }
}

fn waiting(runtime: &Runtime) -> usize {
    let dump = runtime.dump_states();
    let waits = |state| state == GoroutineState::Waiting(WaitReason::Io);
    dump.goroutines()
        .iter()
        .filter(|it| waits(it.state))
        .count()
}

fn everywhere(body: impl Fn(&Place<'_>)) {
    in_each_setting(|runtime| body(&Place::Goroutines(runtime)));
    body(&Place::Threads);
}

fn stream_pair(place: &Place<'_>) -> (Arc<Pollable<UnixStream>>, Arc<Pollable<UnixStream>>) {
    place.make(|| {
        let (one, other) = UnixStream::pair().expect("a pair");
        let register = |stream| Arc::new(Pollable::new(stream).expect("registered"));
        (register(one), register(other))
    })
}

fn pipe_pair(place: &Place<'_>) -> (Arc<Pollable<PipeReader>>, Arc<Pollable<PipeWriter>>) {
    place.make(|| {
        let (reader, writer) = pipe().expect("a pipe");
        let reader = Pollable::new(reader).expect("registered");
        let writer = Pollable::new(writer).expect("registered");
        (Arc::new(reader), Arc::new(writer))
    })
}

fn read<T: std::os::fd::AsFd>(source: &Pollable<T>, buffer: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a T: Read,
{
    source.io(Direction::Read, None, |mut source| source.read(buffer))
}

fn read_one<T: std::os::fd::AsFd>(source: &Pollable<T>) -> io::Result<u8>
where
    for<'a> &'a T: Read,
{
    let mut byte = [0];
    match read(source, &mut byte)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(byte[0]),
    }
}

fn write_all<T: std::os::fd::AsFd>(source: &Pollable<T>, mut bytes: &[u8]) -> io::Result<()>
where
    for<'a> &'a T: Write,
{
    while !bytes.is_empty() {
        let written = source.io(Direction::Write, None, |mut source| source.write(bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn is_closed(error: &io::Error) -> bool {
    PollError::of(error) == Some(PollError::Closed)
}

#[test]
fn partners_echo_over_a_socket_pair() {
    everywhere(|place| {
        let (ours, theirs) = stream_pair(place);
        let echo = place.start(move || {
            while let Ok(byte) = read_one(&theirs) {
                write_all(&theirs, &[byte]).expect("written");
            }
        });
        let caller = place.start(move || {
            for i in 0..500_u32 {
                write_all(&ours, &[i as u8]).expect("written");
                assert_eq!(read_one(&ours).expect("an echo"), i as u8);
            }
        });
        caller.join();
        echo.join();
    });
}

#[test]
fn a_server_echoes_over_tcp() {
    everywhere(|place| {
        let listener = place.make(|| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            Pollable::new(listener).expect("registered")
        });
        let address = listener.get_ref().local_addr().expect("an address");
        let server = place.start(move || {
            for _ in 0..4 {
                let accept = |listener: &TcpListener| listener.accept();
                let (stream, _) = listener
                    .io(Direction::Read, None, accept)
                    .expect("a client");
                let stream = Pollable::new(stream).expect("registered");
                let mut buffer = [0; 4096];
                loop {
                    match read(&stream, &mut buffer).expect("bytes") {
                        0 => break,
                        count => write_all(&stream, &buffer[..count]).expect("written"),
                    }
                }
            }
        });
        let client = move || {
            let stream = TcpStream::connect(address).expect("connected");
            let stream = Pollable::new(stream).expect("registered");
            let mut buffer = [0; 1000];
            for round in 0..50_u8 {
                write_all(&stream, &[round; 1000]).expect("written");
                let mut count = 0;
                while count < buffer.len() {
                    count += read(&stream, &mut buffer[count..]).expect("bytes");
                }
                assert_eq!(buffer, [round; 1000]);
            }
        };
        // One after the other: the server serves one at a time.
        (0..4).for_each(|_| place.start(client).join());
        server.join();
    });
}

#[test]
fn a_read_waits_for_data() {
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        let read = place.start(move || read_one(&reader));
        place.until_waiting(1);
        place
            .start(move || write_all(&writer, b"x"))
            .join()
            .expect("written");
        assert_eq!(read.join().expect("a byte"), b'x');
    });
}

#[test]
fn a_read_ends_when_the_other_side_has_gone() {
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        let read = place.start(move || read_one(&reader));
        place.until_waiting(1);
        drop(writer);
        assert_eq!(read.join().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_write_waits_for_room() {
    const LENGTH: usize = 1 << 20;
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        let write = place.start(move || write_all(&writer, &vec![7; LENGTH]));
        place.until_waiting(1);
        let count = place.start(move || {
            let mut buffer = vec![0; 10_000];
            let mut total = 0;
            loop {
                match read(&reader, &mut buffer).expect("bytes") {
                    0 => break total,
                    count => total += count,
                }
            }
        });
        write.join().expect("written");
        assert_eq!(count.join(), LENGTH);
    });
}

#[test]
fn a_wait_ends_at_its_deadline_and_not_before() {
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        let read = place.start(move || {
            let deadline = Instant::now() + Duration::from_millis(3);
            let error = reader.wait_readable(Some(deadline)).unwrap_err();
            assert!(Instant::now() >= deadline);
            error.kind()
        });
        assert_eq!(read.join(), ErrorKind::TimedOut);
        drop(writer);
    });
}

#[test]
fn a_past_deadline_wins_over_data() {
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        place
            .start(move || {
                write_all(&writer, b"ab").expect("written");
                let past = Instant::now();
                let error = reader.wait_readable(Some(past)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                reader.set_deadline(Direction::Read, Some(past));
                reader.set_deadline(Direction::Write, None);
                assert_eq!(read_one(&reader).unwrap_err().kind(), ErrorKind::TimedOut);
                assert_eq!(read_one(&reader).unwrap_err().kind(), ErrorKind::TimedOut);
                reader.set_deadline(Direction::Read, None);
                assert_eq!(read_one(&reader).expect("a byte"), b'a');
                reader.set_deadline(Direction::Read, time::deadline(Duration::from_secs(3600)));
                assert_eq!(read_one(&reader).expect("a byte"), b'b');
            })
            .join();
    });
}

#[test]
fn a_new_deadline_reaches_those_who_wait() {
    everywhere(|place| {
        let (ours, theirs) = stream_pair(place);
        ours.set_deadline(Direction::Read, time::deadline(Duration::from_secs(3600)));
        let reader = ours.clone();
        let first = place.start(move || read_one(&reader));
        place.until_waiting(1);
        // Longer, then shorter, then past; the other direction does not matter.
        ours.set_deadline(Direction::Read, time::deadline(Duration::from_secs(7200)));
        ours.set_deadline(Direction::Write, Some(Instant::now()));
        place.until_waiting(1);
        ours.set_deadline(Direction::Read, time::deadline(Duration::from_millis(2)));
        assert_eq!(first.join().unwrap_err().kind(), ErrorKind::TimedOut);
        ours.set_deadline(Direction::Read, None);
        let reader = ours.clone();
        let second = place.start(move || read_one(&reader));
        place.until_waiting(1);
        write_all(&theirs, b"y").expect("written");
        assert_eq!(second.join().expect("a byte"), b'y');
        assert_eq!(
            write_all(&ours, b"z").unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    });
}

#[test]
fn a_close_ends_every_wait_and_later_operations() {
    everywhere(|place| {
        let (ours, theirs) = stream_pair(place);
        let mut parties = Vec::new();
        for i in 0..20 {
            let ours = ours.clone();
            parties.push(place.start(move || {
                if i % 2 == 0 {
                    read_one(&ours).unwrap_err()
                } else {
                    // Until nothing fits any more, which is when it waits.
                    write_all(&ours, &vec![0; 10 << 20]).unwrap_err()
                }
            }));
        }
        place.until_waiting(20);
        ours.close();
        for party in parties {
            assert!(is_closed(&party.join()));
        }
        ours.close();
        assert!(is_closed(&read_one(&ours).unwrap_err()));
        assert!(is_closed(
            &ours.wait_writable(Some(Instant::now())).unwrap_err()
        ));
        // The other end is a descriptor of its own.
        write_all(&theirs, b"x").expect("written");
    });
}

#[test]
fn many_who_wait_for_one_source_each_get_their_share() {
    const PARTIES: usize = 50;
    everywhere(|place| {
        let (reader, writer) = pipe_pair(place);
        let party = || {
            let reader = reader.clone();
            place.start(move || read_one(&reader).expect("a byte"))
        };
        let parties: Vec<_> = (0..PARTIES).map(|_| party()).collect();
        place.until_waiting(PARTIES);
        place
            .start(move || {
                (0..PARTIES).for_each(|i| write_all(&writer, &[i as u8]).expect("written"))
            })
            .join();
        let mut bytes: Vec<_> = parties.into_iter().map(Handle::join).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..PARTIES as u8).collect::<Vec<_>>());
    });
}

#[test]
fn both_directions_of_one_source_wait_at_once() {
    everywhere(|place| {
        let (ours, theirs) = stream_pair(place);
        let writer = ours.clone();
        let write = place.start(move || write_all(&writer, &vec![1; 1 << 20]));
        let reader = ours.clone();
        let read_back = place.start(move || read_one(&reader));
        place.until_waiting(2);
        write_all(&theirs, b"!").expect("written");
        assert_eq!(read_back.join().expect("a byte"), b'!');
        let drain = place.start(move || {
            let mut buffer = vec![0; 1 << 16];
            let mut left = 1 << 20;
            while left > 0 {
                left -= read(&theirs, &mut buffer).expect("bytes");
            }
        });
        write.join().expect("written");
        drain.join();
    });
}

#[test]
fn readiness_is_what_the_source_says_now() {
    everywhere(|place| {
        let (ours, theirs) = stream_pair(place);
        place
            .start(move || {
                ours.wait_writable(None).expect("room");
                write_all(&theirs, b"a").expect("written");
                ours.wait_readable(None).expect("data");
                ours.wait_readable(None).expect("still there");
                assert_eq!(read_one(&ours).expect("a byte"), b'a');
                let soon = time::deadline(Duration::from_micros(300));
                assert_eq!(
                    ours.wait_readable(soon).unwrap_err().kind(),
                    ErrorKind::TimedOut
                );
                drop(theirs);
                ours.wait_readable(None).expect("the end can be read");
                ours.wait_writable(None).expect("a write fails at once");
            })
            .join();
    });
}

#[test]
fn a_poller_that_slept_before_anybody_waited_sees_what_comes() {
    in_each_placement(2, |runtime| {
        let place = Place::Goroutines(runtime);
        // Left to the monitor, it takes some milliseconds. Not if the system is as
        // slow: in one of some series it is not.
        let is_short = |_| {
            let mut delays: Vec<_> = (0..11).map(|_| delay_of_a_byte(&place)).collect();
            delays.sort();
            delays[5] < Duration::from_millis(2)
        };
        assert!((0..5).any(is_short));
    });
}

/// How long a byte takes to a goroutine that begins to wait when another machine
/// has long been asleep.
fn delay_of_a_byte(place: &Place<'_>) -> Duration {
    let (ours, theirs) = pipe_pair(place);
    place.make(|| {
        let until = |duration| {
            let start = Instant::now();
            while start.elapsed() < duration {
                gorge_runtime::yield_now();
            }
        };
        // The other machine runs this one, and falls asleep first.
        let other = gorge_runtime::go(|| thread::sleep(Duration::from_millis(2)));
        until(Duration::from_millis(30));
        other.join().expect("it slept");
        let writing = thread::spawn(move || {
            thread::sleep(Duration::from_micros(300));
            let written = Instant::now();
            write_all(&theirs, b"x").expect("written");
            (written, theirs)
        });
        assert_eq!(read_one(&ours).expect("a byte"), b'x');
        let now = Instant::now();
        let (written, _theirs) = writing.join().expect("it wrote");
        now.saturating_duration_since(written)
    })
}
