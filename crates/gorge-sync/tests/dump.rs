//! What a dump shows of goroutines that wait: for what, and who called.
#![cfg(not(gorge_loom))]

use gorge_runtime::{GoroutineSnapshot, JoinHandle, Runtime, yield_now};
use gorge_sync::{
    Barrier, Condvar, Mutex, Once, OnceLock, OnceState, RwLock, RwLockUpgradableReadGuard,
    Semaphore, WaitGroup,
};
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

/// Somebody waits in `wait`, which ends when `end` has run.
fn waits_and_ends(
    runtime: &Runtime,
    (header, blocking): (&str, &str),
    wait: impl FnOnce() + Send + 'static,
    end: impl FnOnce(),
) {
    let handle = runtime.go(move || outer(wait));
    let header = format!(" [{header}]:\n");
    assert_calls(&parked(runtime, &handle), &header, blocking);
    end();
    handle.join().expect("it ends");
}

#[test]
fn who_waits_for_a_reader_writer_lock_shows_in_which_way() {
    in_each_placement(|runtime| {
        let lock = Arc::new(RwLock::new(0));
        let (reads, writes) = ("sync.RWMutex.RLock", "sync.RWMutex.Lock");

        let (writing, theirs) = (lock.write(), lock.clone());
        let wait = move || assert_eq!(*theirs.read(), 0);
        waits_and_ends(runtime, (reads, "lock_shared"), wait, || drop(writing));

        // For a writer, and for readers.
        let (writing, theirs) = (lock.write(), lock.clone());
        let wait = move || *theirs.write() += 1;
        waits_and_ends(runtime, (writes, "lock_exclusive"), wait, || drop(writing));
        let (reading, theirs) = (lock.read(), lock.clone());
        let wait = move || *theirs.write() += 1;
        waits_and_ends(runtime, (writes, "lock_exclusive"), wait, || drop(reading));

        let (reading, theirs) = (lock.upgradable_read(), lock.clone());
        let wait = move || assert_eq!(*theirs.upgradable_read(), 2);
        waits_and_ends(runtime, (reads, "lock_upgradable"), wait, || drop(reading));
        let (reading, theirs) = (lock.read(), lock.clone());
        let wait = move || {
            let upgradable = theirs.upgradable_read();
            *RwLockUpgradableReadGuard::upgrade(upgradable) += 1;
        };
        waits_and_ends(runtime, (writes, "upgrade"), wait, || drop(reading));
        assert_eq!(*lock.read(), 3);
    });
}

#[test]
fn who_waits_for_anything_else_shows_for_what() {
    in_each_placement(|runtime| {
        let semaphore = Arc::new(Semaphore::new(0));
        let theirs = semaphore.clone();
        let wait = move || drop(theirs.acquire());
        let end = || semaphore.add_permits(1);
        waits_and_ends(runtime, ("semacquire", "acquire"), wait, end);

        let told = Arc::new((Mutex::new(()), Condvar::new()));
        let theirs = told.clone();
        let wait = move || theirs.1.wait(&mut theirs.0.lock());
        let end = || assert!(told.1.notify_one());
        waits_and_ends(runtime, ("sync.Cond.Wait", "wait"), wait, end);

        let barrier = Arc::new(Barrier::new(2));
        let theirs = barrier.clone();
        let wait = move || _ = theirs.wait();
        let end = || _ = barrier.wait();
        waits_and_ends(runtime, ("barrier wait", "wait"), wait, end);

        let value = Arc::new(OnceLock::new());
        let theirs = value.clone();
        let wait = move || assert_eq!(*theirs.wait(), 1);
        let end = || assert_eq!(value.set(1), Ok(()));
        waits_and_ends(runtime, ("sync.Once", "wait"), wait, end);

        let once = Arc::new((Once::new(), WaitGroup::new()));
        once.1.add(1);
        let theirs = once.clone();
        let runner = runtime.go(move || theirs.0.call_once(|| theirs.1.wait()));
        while once.0.state() != OnceState::InProgress {
            yield_now();
        }
        let theirs = once.clone();
        let wait = move || theirs.0.call_once(|| ());
        let end = || once.1.done();
        waits_and_ends(runtime, ("sync.Once", "call_once"), wait, end);
        runner.join().expect("it ends");
    });
}
