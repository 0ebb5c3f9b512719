//! `Memo`: computed once, kept, expired, pushed out, forgotten; leaders that die.

use crate::common::{everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::bounded;
use gorge_channel::context::background;
use gorge_patterns::{Memo, MemoError};
use gorge_runtime::{catch_panic, go, goroutine, sim, time, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How often a function was called.
type Count = Arc<AtomicUsize>;

#[test]
fn each_key_is_computed_once_however_many_ask() {
    sim::check(SEEDS, || {
        let count = Count::default();
        let memo = Memo::new({
            let count = count.clone();
            move |key: &u32| {
                count.fetch_add(1, Relaxed);
                yield_now();
                key * 2
            }
        });
        let askers: Vec<_> = (0..6_u32)
            .map(|number| {
                let memo = memo.clone();
                go(move || assert_eq!(memo.get(&background(), number % 2), Ok(number % 2 * 2)))
            })
            .collect();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        assert_eq!(
            (count.load(Relaxed), memo.len(), memo.in_flight()),
            (2, 2, 0)
        );
    });
}

#[test]
fn a_slow_key_keeps_nobody_waiting_who_wants_another() {
    everywhere(|| {
        let (release, released) = bounded::<()>(0);
        let memo = Memo::new(move |key: &u32| match key {
            0 => released.recv().map_or(0, |()| 1),
            _ => *key,
        });
        let slow = go({
            let memo = memo.clone();
            move || memo.get(&background(), 0)
        });
        wait_for(|| memo.in_flight() == 1);
        assert_eq!(memo.get(&background(), 5), Ok(5));
        drop(release);
        assert_eq!(slow.join().unwrap(), Ok(0));
    });
}

#[test]
fn values_expire_and_errors_sooner() {
    sim::check(100, || {
        let count = Count::default();
        let memo = Memo::builder()
            .ttl(10 * SECOND)
            .negative_ttl(2 * SECOND)
            .build({
                let count = count.clone();
                move |key: &u32| {
                    count.fetch_add(1, Relaxed);
                    if *key == 0 { Err("zero") } else { Ok(*key) }
                }
            });
        let ask = |key| memo.get(&background(), key);
        assert_eq!((ask(1), ask(0)), (Ok(1), Err(MemoError::Failed("zero"))));
        time::sleep(2 * SECOND - Duration::from_nanos(1));
        assert_eq!(
            (ask(1), ask(0).is_err(), count.load(Relaxed)),
            (Ok(1), true, 2)
        );
        time::sleep(SECOND);
        assert_eq!(
            (ask(1), ask(0).is_err(), count.load(Relaxed)),
            (Ok(1), true, 3)
        );
        time::sleep(8 * SECOND);
        assert_eq!((ask(1), count.load(Relaxed)), (Ok(1), 4));
    });
}

#[test]
fn errors_are_not_kept_unless_asked_for() {
    everywhere(|| {
        let works = Arc::new(AtomicBool::new(false));
        let memo = Memo::builder().build({
            let works = works.clone();
            move |_: &()| {
                if works.load(Relaxed) {
                    Ok(1)
                } else {
                    Err("down")
                }
            }
        });
        assert_eq!(memo.get(&background(), ()), Err(MemoError::Failed("down")));
        works.store(true, Relaxed);
        assert_eq!(memo.get(&background(), ()), Ok(1));
        works.store(false, Relaxed);
        assert_eq!(memo.get(&background(), ()), Ok(1));
    });
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    everywhere(|| {
        let count = Count::default();
        let memo = Memo::builder().capacity(2).build({
            let count = count.clone();
            move |key: &u32| {
                count.fetch_add(1, Relaxed);
                Ok::<_, String>(*key)
            }
        });
        for (key, calls) in [
            (1, 1),
            (2, 2),
            (1, 2),
            (3, 3),
            (1, 3),
            (2, 4),
            (1, 4),
            (3, 5),
        ] {
            assert_eq!(memo.get(&background(), key), Ok(key));
            assert_eq!(count.load(Relaxed), calls, "after {key}");
            assert!(memo.len() <= 2);
        }
        memo.clear();
        assert!(memo.is_empty());
    });
}

#[test]
fn what_is_forgotten_under_way_is_not_kept() {
    sim::check(SEEDS, || {
        let count = Count::default();
        let memo = Memo::new({
            let count = count.clone();
            move |_: &()| {
                time::sleep(SECOND);
                count.fetch_add(1, Relaxed)
            }
        });
        let first = go({
            let memo = memo.clone();
            move || memo.get(&background(), ())
        });
        time::sleep(SECOND / 2);
        memo.forget(&());
        assert_eq!(memo.get(&background(), ()), Ok(1), "a new call");
        assert_eq!(first.join().unwrap(), Ok(0), "who waited gets the old one");
        assert_eq!(memo.get(&background(), ()), Ok(1), "the new one is kept");
        memo.forget(&());
        assert_eq!(memo.get(&background(), ()), Ok(2));
    });
}

#[test]
fn a_panic_is_not_kept() {
    sim::check(SEEDS, || {
        let count = Count::default();
        let memo = Memo::new({
            let count = count.clone();
            move |_: &()| {
                yield_now();
                assert!(
                    count.fetch_add(1, Relaxed) > 0,
                    "a panic that the test wants"
                );
                5
            }
        });
        let askers: Vec<_> = (0..3)
            .map(|_| {
                let memo = memo.clone();
                go(move || catch_panic(AssertUnwindSafe(|| memo.get(&background(), ()))))
            })
            .collect();
        let mut panics = 0;
        for asker in askers {
            match asker.join().unwrap() {
                Ok(Ok(value)) => assert_eq!(value, 5),
                Ok(Err(error)) => {
                    assert_eq!(
                        error,
                        MemoError::Panicked("a panic that the test wants".into())
                    );
                }
                Err(payload) => {
                    assert_eq!(text(&*payload), "a panic that the test wants");
                    panics += 1;
                }
            }
        }
        assert_eq!(panics, 1);
        assert_eq!(memo.get(&background(), ()), Ok(5));
    });
}

#[test]
fn when_the_leader_is_cancelled_another_one_computes() {
    sim::check(SEEDS, || {
        let count = Count::default();
        let memo = Memo::new({
            let count = count.clone();
            move |_: &()| match count.fetch_add(1, Relaxed) {
                0 => goroutine::park_forever(),
                number => number,
            }
        });
        let ask = || {
            let memo = memo.clone();
            go(move || memo.get(&background(), ()))
        };
        let leader = ask();
        sim::settle();
        let followers = [ask(), ask()];
        sim::settle();
        leader.cancel();
        assert!(leader.join().unwrap_err().is_cancelled());
        for follower in followers {
            assert_eq!(follower.join().unwrap(), Ok(1));
        }
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let memo = Memo::new(|key: &u32| {
            yield_now();
            *key
        });
        let others: Vec<_> = (0..2)
            .map(|key| {
                let (memo, ctx) = (memo.clone(), ctx.clone());
                go(move || memo.get(&ctx, key))
            })
            .collect();
        for key in [0, 1, 0] {
            assert!(memo.get(ctx, key).map_or(true, |value| value == key));
        }
        for (key, other) in (0..).zip(others) {
            assert!(other.join().unwrap().map_or(true, |value| value == key));
        }
        assert_eq!(memo.in_flight(), 0);
    });
}

#[test]
#[should_panic(expected = "at least one result")]
fn a_memo_of_nothing_is_refused() {
    let _ = Memo::<(), (), ()>::builder().capacity(0);
}
