//! The hook that learns how long whoever waits has waited.
#![cfg(not(gorge_loom))]
#![allow(
    clippy::disallowed_types,
    reason = "the hook must not wait as goroutines do"
)]

mod common;

use common::{Setting, for_each_setting};
use gorge_runtime::park::WaitReason;
use gorge_runtime::profile::{Blocked, set_block_hook};
use gorge_sync::{Mutex, OnceLock, Semaphore, WaitGroup};
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::time::Duration;

/// What the hook was told. It is one for the process, so this is one test.
#[allow(
    clippy::disallowed_types,
    reason = "the hook must not wait as goroutines do"
)]
static TOLD: StdMutex<Vec<Blocked>> = StdMutex::new(Vec::new());

fn note(blocked: &Blocked) {
    TOLD.lock().expect("not poisoned").push(blocked.clone());
}

fn panics(_: &Blocked) {
    panic!("a hook's");
}

/// Somebody waits for a mutex that the caller holds.
fn contend(setting: Setting, mutex: &Arc<Mutex<i32>>) {
    let guard = mutex.lock();
    let theirs = mutex.clone();
    let waits = WaitGroup::new();
    waits.add(1);
    let (announces, hook) = (waits.clone(), waits.clone());
    let waiter = setting.start(move || {
        announces.done();
        *theirs.lock() += 1;
    });
    hook.wait();
    // It looks for a moment before it waits: so it waits at least until then.
    for _ in 0..20 {
        setting.pause();
    }
    drop(guard);
    waiter.join();
}

/// Somebody waits for a value that the caller writes. The address by which the hook
/// knows that, if it was told: who comes late finds the value, and does not wait.
fn await_value(setting: Setting) -> Option<usize> {
    let value = Arc::new(OnceLock::new());
    let (theirs, comes) = (value.clone(), WaitGroup::new());
    comes.add(1);
    let announces = comes.clone();
    let waiter = setting.start(move || {
        announces.done();
        *theirs.wait()
    });
    comes.wait();
    setting.pause();
    assert_eq!(value.set(1), Ok(()));
    assert_eq!(waiter.join(), 1);
    let start = Arc::as_ptr(&value).addr();
    let end = start + size_of_val(&*value);
    let told = TOLD.lock().expect("not poisoned");
    let told = told.iter().filter(|it| it.reason == WaitReason::Once);
    let mut objects = told.map(|it| it.object);
    objects.find(|object| (start..end).contains(object))
}

fn told(reason: WaitReason, object: usize) -> usize {
    let told = TOLD.lock().expect("not poisoned");
    let is_it = |it: &&Blocked| it.reason == reason && it.object == object && !it.waited.is_zero();
    told.iter().filter(is_it).count()
}

#[test]
fn the_hook_is_told_of_every_wait_and_its_panics_lose_nothing() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0));
        // SAFETY: only its address is asked for.
        let object = std::ptr::from_ref(unsafe { mutex.raw() }).addr();

        contend(setting, &mutex);
        assert_eq!(told(WaitReason::MutexLock, object), 0, "nobody asked");

        assert!(set_block_hook(Some(note)).is_none());
        contend(setting, &mutex);
        assert!(told(WaitReason::MutexLock, object) >= 1);

        let semaphore = Semaphore::new(0);
        let refused = semaphore.acquire_timeout(Duration::from_millis(1));
        assert!(refused.is_err());
        let object = std::ptr::from_ref(&semaphore).addr();
        assert!(told(WaitReason::Semaphore, object) >= 1);

        let object = (0..100_000).find_map(|_| await_value(setting));
        assert!(told(WaitReason::Once, object.expect("one has waited")) >= 1);

        let replaced = set_block_hook(Some(panics));
        assert!(replaced.is_some());
        contend(setting, &mutex);
        set_block_hook(None);
        assert_eq!(*mutex.lock(), 3);
        TOLD.lock().expect("not poisoned").clear();
    });
}
