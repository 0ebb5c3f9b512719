//! What a mutex does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::for_each_setting;
use gorge_runtime::time;
use gorge_sync::{MappedMutexGuard, Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

static STATIC: Mutex<u32> = Mutex::new(7);

#[test]
fn it_takes_one_word_and_lives_in_a_static() {
    assert!(size_of::<Mutex<()>>() <= 8);
    assert_eq!(*STATIC.lock(), 7);
}

#[test]
fn try_lock_fails_while_it_is_held_and_succeeds_when_it_is_free() {
    let mutex = Mutex::new(1);
    let guard = mutex.lock();
    assert!(mutex.is_locked());
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert!(!mutex.is_locked());
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn parties_exclude_each_other_and_every_change_is_kept() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0u64));
        let shared = Arc::clone(&mutex);
        setting.run_all(10, move |_| {
            for round in 0..1000 {
                if round % 3 == 0
                    && let Some(mut count) = shared.try_lock()
                {
                    *count += 1;
                    continue;
                }
                *shared.lock() += 1;
            }
        });
        assert_eq!(*mutex.lock(), 10_000);
    });
}

#[test]
fn every_form_of_locking_excludes_every_other() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new((0u64, 0u64)));
        let locked = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&mutex), Arc::clone(&locked));
        setting.run_all(6, move |party| {
            for round in 0..500 {
                let guard = match (party + round) % 4 {
                    0 => shared.try_lock_for(Duration::from_micros(20)),
                    1 => shared.try_lock_until(time::now() + Duration::from_micros(50)),
                    _ => Some(shared.lock()),
                };
                let Some(mut guard) = guard else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                guard.0 += 1;
                if round % 5 == 0 {
                    setting.pause();
                }
                guard.1 += 1;
                assert_eq!(guard.0, guard.1);
                match round % 7 {
                    0 => MutexGuard::unlock_fair(guard),
                    1 => MutexGuard::bump(&mut guard),
                    _ => {}
                }
            }
        });
        let locked = locked.load(Ordering::Relaxed) as u64;
        assert_eq!(
            *mutex.try_lock().expect("nobody holds it any more"),
            (locked, locked)
        );
    });
}

#[test]
fn a_timed_lock_gives_up_while_it_is_held_and_gets_it_when_it_is_let_go() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock();
        let begun = time::now();
        assert!(mutex.try_lock_for(Duration::from_millis(5)).is_none());
        assert!(begun.elapsed() >= Duration::from_millis(5));
        assert!(
            mutex.try_lock_until(begun).is_none(),
            "a deadline in the past"
        );
        let shared = Arc::clone(&mutex);
        let waiter = setting.start(move || shared.try_lock_for(Duration::from_secs(600)).is_some());
        setting.pause();
        drop(guard);
        assert!(waiter.join());
        assert!(
            mutex.try_lock_for(Duration::MAX).is_some(),
            "a deadline beyond all time"
        );
    });
}

#[test]
fn a_waiter_is_not_starved_by_one_that_locks_again_and_again() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(()));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&mutex), Arc::clone(&over));
        let greedy = setting.start(move || {
            while !stop.load(Ordering::Relaxed) {
                let _guard = shared.lock();
                setting.pause();
            }
        });
        for _ in 0..10 {
            setting.pause();
            drop(mutex.lock());
        }
        over.store(true, Ordering::Relaxed);
        greedy.join();
    });
}

#[test]
fn bump_lets_those_who_wait_go_first() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(false));
        let mut guard = mutex.lock();
        let shared = Arc::clone(&mutex);
        let waiter = setting.start(move || *shared.lock() = true);
        while !*guard {
            setting.pause();
            MutexGuard::bump(&mut guard);
        }
        drop(guard);
        waiter.join();
    });
}

#[test]
fn a_guard_may_be_dropped_by_another_party() {
    for_each_setting(|setting| {
        let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
        let mut guard = mutex.lock();
        *guard = 1;
        setting.start(move || drop(guard)).join();
        assert_eq!(*mutex.try_lock().expect("unlocked by the other"), 1);
    });
}

#[test]
fn a_mapped_guard_holds_the_lock() {
    let mutex = Mutex::new((1, 2));
    let mut second: MappedMutexGuard<'_, i32> = MutexGuard::map(mutex.lock(), |pair| &mut pair.1);
    *second = 5;
    assert!(mutex.try_lock().is_none());
    drop(second);
    assert_eq!(*mutex.lock(), (1, 5));
}

#[test]
fn a_panic_unlocks_and_does_not_poison() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0));
        let shared = Arc::clone(&mutex);
        let party = setting.start(move || {
            let mut guard = shared.lock();
            *guard = 3;
            panic!("on purpose");
        });
        assert_eq!(party.panic_message(), "on purpose");
        assert_eq!(*mutex.try_lock().expect("unlocked by the panic"), 3);
    });
}

#[test]
fn unlocking_a_free_mutex_panics_with_the_rule() {
    for_each_setting(|setting| {
        let party = setting.start(|| {
            let mutex = Mutex::new(());
            // SAFETY: against the contract; what is tested is that it is noticed
            // before it harms anybody.
            unsafe { mutex.force_unlock() };
        });
        assert_eq!(
            party.panic_message(),
            "Mutex: unlocked more often than locked"
        );
    });
}

#[test]
fn the_last_to_lock_may_free_the_mutex_at_once() {
    for_each_setting(|setting| {
        for _ in 0..200 {
            // A reference count under the mutex itself: whoever takes it to
            // zero frees the mutex, while the one before may still be in unlock.
            let shared = Box::into_raw(Box::new(Mutex::new(3u32))).expose_provenance();
            setting.run_all(3, move |_| {
                let pointer = std::ptr::with_exposed_provenance_mut::<Mutex<u32>>(shared);
                // SAFETY: this party's count has not been taken away yet.
                let mut count = unsafe { &*pointer }.lock();
                *count -= 1;
                let last = *count == 0;
                drop(count);
                if last {
                    // SAFETY: all others have counted down, and unlocked.
                    drop(unsafe { Box::from_raw(pointer) });
                }
            });
        }
    });
}
