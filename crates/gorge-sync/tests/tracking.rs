//! Locks that are tracked: who holds one, and orders that can end in a deadlock.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_methods, reason = "tests start threads")]

use gorge_runtime::locks::{self, LockRing, Party};
use gorge_runtime::{DeadlockDetection, RunError, Runtime, goroutine};
use gorge_sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard};
use std::mem;
use std::process::Command;
use std::sync::Arc;
use std::{env, panic, thread};

const CASE: &str = "GORGE_TRACKING_CASE";

fn runtime(migrating: bool) -> Runtime {
    let builder = Runtime::builder().max_procs(2).track_locks(true);
    let builder = builder.deadlock_detection(DeadlockDetection::Always);
    let builder = if migrating {
        // SAFETY: the tests' goroutines hold no reference into a thread-local and
        // no thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        body(&runtime(migrating));
    }
}

/// Locks whose addresses no other one gets.
fn locks<const N: usize>() -> &'static [Mutex<i32>; N] {
    Box::leak(Box::new([(); N].map(|()| Mutex::new(0))))
}

/// Runs `f` on a goroutine of this name, to its end.
fn named(runtime: &Runtime, name: &str, f: impl FnOnce() + Send) {
    runtime.run(|| {
        goroutine::scope(|scope| {
            let builder = goroutine::Builder::new().name(name);
            builder.spawn_scoped(scope, f).expect("spawned");
        });
    });
}

/// The rings in which this lock is taken.
fn rings_of<T>(lock: &Mutex<T>) -> Vec<LockRing> {
    // SAFETY: the raw lock is looked at, and nothing is done with it.
    let address = std::ptr::from_ref(unsafe { lock.raw() }).addr();
    let is_of = |ring: &LockRing| ring.wishes().iter().any(|wish| wish.wanted == address);
    locks::rings().into_iter().filter(is_of).collect()
}

#[inline(never)]
fn take_both(first: &Mutex<i32>, second: &Mutex<i32>) {
    let guards = (first.lock(), second.lock());
    assert_eq!(*guards.0 + *guards.1, 0);
}

#[test]
fn opposite_orders_are_told_of_though_nobody_waited() {
    in_each_placement(|runtime| {
        let [a, b] = locks();
        named(runtime, "forwards", || take_both(a, b));
        assert!(rings_of(a).is_empty());
        named(runtime, "backwards", || take_both(b, a));
        let rings = rings_of(a);
        let [ring] = &rings[..] else {
            panic!("one ring: {rings:?}");
        };
        assert_eq!(ring.wishes().len(), 2);
        let text = ring.to_string();
        for words in [
            "locks are taken in different orders",
            " \"forwards\" takes the Mutex at 0x",
            " \"backwards\" takes the Mutex at 0x",
            "take_both\n",
        ] {
            assert!(text.contains(words), "{words:?} is not in {text}");
        }
        // Once is enough.
        named(runtime, "backwards", || take_both(b, a));
        assert_eq!(rings_of(a).len(), 1);
    });
}

#[test]
fn a_longer_ring_names_all_its_parties() {
    in_each_placement(|runtime| {
        let locks = locks::<4>();
        let names = ["north", "east", "south", "west"];
        for (place, name) in names.into_iter().enumerate() {
            named(runtime, name, || {
                take_both(&locks[place], &locks[(place + 1) % 4]);
            });
        }
        let rings = rings_of(&locks[0]);
        assert_eq!(rings.len(), 1);
        let wishes = rings[0].wishes();
        assert_eq!(wishes.len(), 4);
        for (place, wish) in wishes.iter().enumerate() {
            assert_eq!(wish.wanted, wishes[(place + 1) % 4].held);
        }
    });
}

#[test]
fn one_order_and_attempts_are_no_ring() {
    in_each_placement(|runtime| {
        let locks = locks::<5>();
        for first in 0..5 {
            named(runtime, "climber", || {
                let guards: Vec<MutexGuard<'_, _>> =
                    locks[first..].iter().map(Mutex::lock).collect();
                // Let go in any order.
                guards.into_iter().for_each(drop);
            });
        }
        // Who only tries does not wait.
        named(runtime, "modest", || {
            let _last = locks[4].lock();
            assert!(locks[0].try_lock().is_some());
        });
        assert!(locks.iter().all(|lock| rings_of(lock).is_empty()));
    });
}

#[test]
fn a_lock_that_is_gone_is_not_confused_with_the_next_one_there() {
    in_each_placement(|runtime| {
        let [stays] = locks();
        for round in 0..50 {
            let goes = Box::new(Mutex::new(0));
            named(runtime, "passer-by", || match round % 2 {
                0 => take_both(stays, &goes),
                _ => take_both(&goes, stays),
            });
        }
        assert!(rings_of(stays).is_empty());
    });
}

#[test]
fn readers_hold_a_lock_together_and_take_part_in_rings() {
    in_each_placement(|runtime| {
        let lock: &'static RwLock<i32> = Box::leak(Box::new(RwLock::new(0)));
        let [mutex] = locks();
        // SAFETY: only its address is asked for.
        let address = std::ptr::from_ref(unsafe { lock.raw() }).addr();
        let (first, second) = (lock.read(), lock.read());
        assert_eq!(locks::holders(address).len(), 2);
        drop((first, second));
        let upgradable = lock.upgradable_read();
        let writing = RwLockUpgradableReadGuard::upgrade(upgradable);
        assert_eq!(locks::holders(address).len(), 1);
        drop(RwLockWriteGuard::downgrade(writing));
        assert_eq!(locks::holders(address), []);
        named(runtime, "reader", || {
            let _reading = lock.read();
            drop(mutex.lock());
        });
        named(runtime, "writer", || {
            let _guard = mutex.lock();
            drop(lock.write());
        });
        let text = rings_of(mutex)[0].to_string();
        assert!(text.contains(" takes the RwLock at 0x"), "{text}");
    });
}

#[test]
fn who_waits_for_a_condition_holds_no_lock() {
    in_each_placement(|runtime| {
        let (mutex, condvar) = (Mutex::new(false), Condvar::new());
        // SAFETY: only its address is asked for.
        let address = std::ptr::from_ref(unsafe { mutex.raw() }).addr();
        runtime.run(|| {
            goroutine::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let mut guard = mutex.lock();
                    condvar.wait_while(&mut guard, |is_told| !*is_told);
                    locks::holders(address)
                });
                while condvar.notify_one() {
                    gorge_runtime::yield_now();
                }
                gorge_runtime::yield_now();
                *mutex.lock() = true;
                while !waiter.is_finished() {
                    condvar.notify_one();
                    gorge_runtime::yield_now();
                }
                let holders = waiter.join().expect("it was told");
                assert_eq!(holders.len(), 1);
            });
        });
        assert_eq!(locks::holders(address), []);
    });
}

#[test]
fn who_may_not_wait_with_a_second_mutex_holds_it_still() {
    in_each_placement(|runtime| {
        let (mutexes, condvar) = ([Mutex::new(false), Mutex::new(false)], Condvar::new());
        // SAFETY: only its address is asked for.
        let address = std::ptr::from_ref(unsafe { mutexes[1].raw() }).addr();
        runtime.run(|| {
            goroutine::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let mut guard = mutexes[0].lock();
                    *guard = true;
                    condvar.wait(&mut guard);
                });
                while !*mutexes[0].lock() {
                    gorge_runtime::yield_now();
                }
                let mut guard = mutexes[1].lock();
                let refused = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                    condvar.wait(&mut guard);
                }));
                assert!(refused.is_err());
                assert_eq!(locks::holders(address).len(), 1);
                drop(guard);
                assert_eq!(locks::holders(address), []);
                assert!(condvar.notify_one());
                waiter.join().expect("it was told");
            });
        });
    });
}

#[test]
fn threads_have_their_part() {
    let runtime = runtime(false);
    let [a, b] = locks();
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("a thread".into());
        let thread = builder.spawn_scoped(scope, || take_both(a, b));
        thread.expect("spawned").join().expect("it took both");
    });
    named(&runtime, "a goroutine", || take_both(b, a));
    let text = rings_of(b)[0].to_string();
    assert!(
        text.contains("an OS thread \"a thread\" takes the Mutex"),
        "{text}"
    );
    assert!(text.contains(" \"a goroutine\" takes the Mutex"), "{text}");
}

#[test]
fn goroutines_of_two_runtimes_are_two_though_their_numbers_are_one() {
    let [a, b] = locks();
    // SAFETY: only its address is asked for.
    let address = std::ptr::from_ref(unsafe { a.raw() }).addr();
    let holders = [runtime(false), runtime(true)].map(|runtime| {
        let guard = runtime.go(|| a.lock()).join().expect("it locked");
        let [holder] = &locks::holders(address)[..] else {
            panic!("it has one holder");
        };
        // The other goroutine that was the first of its runtime holds nothing.
        let other = self::runtime(false);
        other.go(|| drop(b.lock())).join().expect("it locked");
        other.go(|| drop(b.lock())).join().expect("it locked");
        drop(guard);
        holder.clone()
    });
    assert_eq!(holders[0].to_string(), holders[1].to_string());
    assert_ne!(holders[0], holders[1]);
    named(&runtime(false), "backwards", || take_both(b, a));
    assert!(rings_of(a).is_empty());
}

#[test]
fn a_dump_names_the_holder() {
    in_each_placement(|runtime| {
        let mutex = Arc::new(Mutex::new(()));
        let holders = runtime.run(|| {
            let guard = mutex.lock();
            let theirs = mutex.clone();
            let waiter = gorge_runtime::go(move || drop(theirs.lock()));
            let holders = loop {
                let dump = runtime.dump();
                let waiting = dump.goroutines().iter().find(|it| it.object != 0);
                if let Some(goroutine) = waiting {
                    assert!(goroutine.to_string().contains("\nheld by goroutine "));
                    break goroutine.holders.clone();
                }
                gorge_runtime::yield_now();
            };
            // Another party lets go of it.
            let owned = mem::ManuallyDrop::new(guard);
            assert!(mutex.is_locked());
            drop(mem::ManuallyDrop::into_inner(owned));
            waiter.join().expect("it had the lock");
            holders
        });
        let [Party::Goroutine { .. }] = holders[..] else {
            panic!("one goroutine: {holders:?}");
        };
        // SAFETY: only its address is asked for.
        let address = std::ptr::from_ref(unsafe { mutex.raw() }).addr();
        assert_eq!(locks::holders(address), []);
    });
}

#[test]
fn a_dump_names_all_who_read_and_a_deadlock_report_too() {
    in_each_placement(|runtime| {
        let result = runtime.try_run(|| {
            let lock = Arc::new(RwLock::new(0));
            let both = gorge_sync::WaitGroup::new();
            both.add(2);
            for name in ["one", "two"] {
                let (lock, both) = (lock.clone(), both.clone());
                let reads = move || {
                    let _reading = lock.read();
                    both.done();
                    goroutine::park_forever();
                };
                let builder = goroutine::Builder::new().name(name);
                drop(builder.spawn(reads).expect("spawned"));
            }
            both.wait();
            let writer = gorge_runtime::go(move || *lock.write() += 1);
            writer.join().expect("it writes");
        });
        let Err(RunError::Deadlock(report)) = result else {
            panic!("no deadlock: {result:?}");
        };
        let mut goroutines = report.dump().goroutines().iter();
        let writer = goroutines.find(|it| !it.holders.is_empty());
        let writer = writer.expect("the lock is held");
        let text = report.to_string();
        assert!(text.contains(" [sync.RWMutex.Lock]"), "{text}");
        let [one, other] = &writer.holders[..] else {
            panic!("two read: {text}");
        };
        assert!(
            text.contains(&format!("\nheld by {one}, {other}\n")),
            "{text}"
        );
    });
}

#[test]
fn a_guard_that_another_party_drops_leaves_no_holder() {
    in_each_placement(|runtime| {
        let [a, b] = locks();
        runtime.run(|| {
            goroutine::scope(|scope| {
                let guard = a.lock();
                scope
                    .spawn(move || drop(guard))
                    .join()
                    .expect("it dropped it");
                // This goroutine holds nothing any more.
                drop(b.lock());
            });
        });
        named(runtime, "the other", || take_both(b, a));
        assert!(rings_of(a).is_empty());
    });
}

#[test]
fn a_deadlock_report_names_the_holders() {
    in_each_placement(|runtime| {
        let result = runtime.try_run(|| {
            let mutexes = Arc::new([Mutex::new(()), Mutex::new(())]);
            let both = gorge_sync::WaitGroup::new();
            both.add(2);
            let stuck = [0, 1].map(|first| {
                let (mutexes, both) = (mutexes.clone(), both.clone());
                gorge_runtime::go(move || {
                    let _first = mutexes[first].lock();
                    both.done();
                    both.wait();
                    let _second = mutexes[1 - first].lock();
                })
            });
            for goroutine in stuck {
                goroutine.join().expect("it ends");
            }
        });
        let Err(RunError::Deadlock(report)) = result else {
            panic!("no deadlock: {result:?}");
        };
        let ids: Vec<_> = report.dump().goroutines().iter().map(|it| it.id).collect();
        let text = report.to_string();
        for id in &ids[1..] {
            assert!(
                text.contains(&format!("held by goroutine {id}\n")),
                "{text}"
            );
        }
    });
}

#[test]
fn a_ring_and_a_lock_taken_twice_are_printed() {
    for (case, words) in [
        ("ring", "gorge: locks are taken in different orders"),
        (
            "twice",
            "gorge: a party takes a lock that it holds, and waits for itself",
        ),
    ] {
        let output = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "the_child", "--nocapture"])
            .env(CASE, case)
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.matches(words).count(), 1, "{text}");
        assert_eq!(output.status.success(), case == "ring", "{text}");
    }
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(case) = env::var(CASE) else { return };
    let runtime = runtime(false);
    let [a, b] = locks();
    match case.as_str() {
        "ring" => {
            named(&runtime, "one", || take_both(a, b));
            (0..2).for_each(|_| named(&runtime, "two", || take_both(b, a)));
        }
        _ => runtime.run(|| take_both(a, a)),
    }
}
