//! What a dump shows of goroutines that wait for channels.

use gorge_channel::{Receiver, Sender, bounded};
use gorge_runtime::{GoroutineSnapshot, JoinHandle, Runtime, yield_now};
use std::hint::black_box;

#[inline(never)]
fn fifth<T>(wait: impl FnOnce() -> T) -> T {
    black_box(wait())
}

#[inline(never)]
fn fourth<T>(wait: impl FnOnce() -> T) -> T {
    black_box(fifth(wait))
}

#[inline(never)]
fn third<T>(wait: impl FnOnce() -> T) -> T {
    black_box(fourth(wait))
}

#[inline(never)]
fn second<T>(wait: impl FnOnce() -> T) -> T {
    black_box(third(wait))
}

#[inline(never)]
fn first<T>(wait: impl FnOnce() -> T) -> T {
    black_box(second(wait))
}

/// The goroutine with its calls, once it waits.
fn parked<T>(runtime: &Runtime, handle: &JoinHandle<T>) -> GoroutineSnapshot {
    let id = handle.goroutine().id();
    loop {
        let dump = runtime.dump();
        let goroutine = dump.goroutines().iter().find(|it| it.id == id);
        let goroutine = goroutine.expect("it has not ended");
        if goroutine.state.is_waiting() && !goroutine.frames.is_empty() {
            return goroutine.clone();
        }
        yield_now();
    }
}

fn in_each_placement(body: impl Fn(&Runtime)) {
    let builder = || Runtime::builder().max_procs(2);
    body(&builder().build().expect("a runtime"));
    // SAFETY: the test's goroutines hold no reference into a thread-local across a
    // park point.
    body(&unsafe { builder().migrating() }.build().expect("a runtime"));
}

/// The calls are `blocking`, our five, and nothing of the runtime.
#[track_caller]
fn assert_calls(goroutine: &GoroutineSnapshot, header: &str, blocking: &str) {
    let text = goroutine.to_string();
    assert!(text.contains(header), "{text}");
    let frames = &goroutine.frames;
    let (innermost, file) = (&frames[0].function, frames[0].file.as_deref());
    assert!(innermost.contains(blocking), "{text}");
    assert!(
        file.is_some_and(|it| it.contains("gorge-channel/src")),
        "{text}"
    );
    let mut rest = frames.iter();
    for part in ["fifth", "fourth", "third", "second", "first"] {
        assert!(
            rest.any(|it| it.function.contains(part)),
            "{part} is missing in\n{text}"
        );
    }
    let is_ours = |file: &str| file.ends_with("tests/channels/dump.rs");
    assert!(
        frames[1..]
            .iter()
            .flat_map(|it| &it.file)
            .all(|file| is_ours(file)),
        "{text}"
    );
}

#[test]
fn a_receiver_shows_its_receive_and_who_called_it() {
    in_each_placement(|runtime| {
        let (sender, receiver): (Sender<u8>, Receiver<u8>) = bounded(0);
        let handle = runtime.go(move || first(|| receiver.recv()));
        assert_calls(&parked(runtime, &handle), " [chan receive]:\n", "recv");
        drop(sender);
        assert!(handle.join().expect("it ends").is_err());
    });
}

#[test]
fn a_sender_shows_its_send_and_who_called_it() {
    in_each_placement(|runtime| {
        let (sender, receiver) = bounded(0);
        let handle = runtime.go(move || first(|| sender.send(1u8)));
        assert_calls(&parked(runtime, &handle), " [chan send]:\n", "send");
        drop(receiver);
        assert!(handle.join().expect("it ends").is_err());
    });
}
