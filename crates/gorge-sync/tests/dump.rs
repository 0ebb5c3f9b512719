//! What a dump shows of goroutines that wait for locks and wait groups.
#![cfg(not(gorge_loom))]

use gorge_runtime::{GoroutineSnapshot, JoinHandle, Runtime, yield_now};
use gorge_sync::{Mutex, WaitGroup};
use std::hint::black_box;
use std::sync::Arc;

#[inline(never)]
fn inner<T>(wait: impl FnOnce() -> T) -> T {
    black_box(wait())
}

#[inline(never)]
fn outer<T>(wait: impl FnOnce() -> T) -> T {
    black_box(inner(wait))
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

#[track_caller]
fn assert_calls(goroutine: &GoroutineSnapshot, header: &str, blocking: &str) {
    let text = goroutine.to_string();
    assert!(text.contains(header), "{text}");
    assert!(goroutine.frames[0].function.contains(blocking), "{text}");
    let mut rest = goroutine.frames.iter();
    for part in [blocking, "inner", "outer"] {
        assert!(
            rest.any(|it| it.function.contains(part)),
            "{part} is missing in\n{text}"
        );
    }
    let is_runtime = |file: &str| file.contains("gorge-runtime/src");
    let mut files = goroutine.frames.iter().flat_map(|it| &it.file);
    assert!(!files.any(|file| is_runtime(file)), "{text}");
}

#[test]
fn who_waits_for_a_mutex_shows_its_lock_and_who_called_it() {
    in_each_placement(|runtime| {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock();
        let locked = Arc::clone(&mutex);
        let handle = runtime.go(move || outer(|| *locked.lock() += 1));
        assert_calls(&parked(runtime, &handle), " [sync.Mutex.Lock]:\n", "lock");
        drop(guard);
        handle.join().expect("it ends");
        assert_eq!(*mutex.lock(), 1);
    });
}

#[test]
fn who_waits_for_a_group_shows_its_wait_and_who_called_it() {
    in_each_placement(|runtime| {
        let group = Arc::new(WaitGroup::new());
        group.add(1);
        let waited = Arc::clone(&group);
        let handle = runtime.go(move || outer(|| waited.wait()));
        assert_calls(
            &parked(runtime, &handle),
            " [sync.WaitGroup.Wait]:\n",
            "wait",
        );
        group.done();
        handle.join().expect("it ends");
    });
}
