//! `SingleFlight`: one call for all, leaders that die, followers that leave.

use crate::common::{cancellable, everywhere};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::bounded;
use gorge_channel::context::background;
use gorge_patterns::{FlightError, SingleFlight};
use gorge_runtime::{catch_panic, go, goroutine, sim, time, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

#[test]
fn one_call_serves_all_who_ask_meanwhile() {
    sim::check(SEEDS, || {
        let (calls, count) = (SingleFlight::new(), Arc::new(AtomicUsize::new(0)));
        let askers: Vec<_> = (0..4)
            .map(|_| {
                let (calls, count) = (calls.clone(), count.clone());
                go(move || {
                    let call = || {
                        count.fetch_add(1, Relaxed);
                        time::sleep(Duration::from_secs(1));
                        "value".to_owned()
                    };
                    calls.run(&background(), "key", call).unwrap()
                })
            })
            .collect();
        for asker in askers {
            let landed = asker.join().unwrap();
            assert_eq!((landed.value.as_str(), landed.shared), ("value", true));
        }
        assert_eq!((count.load(Relaxed), calls.in_flight()), (1, 0));
        assert!(!calls.run(&background(), "key", String::new).unwrap().shared);
    });
}

#[test]
fn keys_do_not_wait_for_each_other() {
    everywhere(|| {
        let calls = SingleFlight::new();
        let (release, released) = bounded::<()>(0);
        let other = calls.start(&background(), 1, move || released.recv().map_or(1, |()| 0));
        assert_eq!(calls.run(&background(), 2, || 2).unwrap().value, 2);
        drop(release);
        assert_eq!(other.recv().unwrap().unwrap().value, 1);
    });
}

#[test]
fn a_panic_reaches_the_leader_and_those_who_follow_and_the_key_is_free() {
    // After a first panic, a key was once blocked for ever elsewhere.
    sim::check(SEEDS, || {
        let calls = SingleFlight::<_, u32>::new();
        let askers: Vec<_> = (0..3)
            .map(|_| {
                let calls = calls.clone();
                go(move || {
                    let call = || {
                        yield_now();
                        panic!("a panic that the test wants")
                    };
                    catch_panic(AssertUnwindSafe(|| calls.run(&background(), 7, call)))
                })
            })
            .collect();
        let mut leaders = 0;
        for asker in askers {
            match asker.join().unwrap() {
                Err(payload) => {
                    assert_eq!(text(&*payload), "a panic that the test wants");
                    leaders += 1;
                }
                Ok(Err(FlightError::Panicked(text))) => {
                    assert_eq!(&*text, "a panic that the test wants");
                }
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(leaders >= 1);
        assert_eq!(calls.run(&background(), 7, || 1).unwrap().value, 1);
    });
}

#[test]
fn when_the_leader_is_cancelled_a_follower_leads() {
    // Elsewhere, followers of a leader that was cancelled waited for ever.
    sim::check(SEEDS, || {
        let (calls, count) = (SingleFlight::new(), Arc::new(AtomicUsize::new(0)));
        let (begun, begins) = bounded(1);
        let leader = go({
            let calls = calls.clone();
            move || {
                let call = || -> u32 {
                    begun.send(()).unwrap();
                    goroutine::park_forever()
                };
                calls.run(&background(), "key", call)
            }
        });
        begins.recv().unwrap();
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let (calls, count) = (calls.clone(), count.clone());
                go(move || {
                    let call = || {
                        time::sleep(Duration::from_secs(1));
                        count.fetch_add(1, Relaxed);
                        7
                    };
                    calls.run(&background(), "key", call).unwrap().value
                })
            })
            .collect();
        sim::settle();
        leader.cancel();
        assert!(leader.join().unwrap_err().is_cancelled());
        for follower in followers {
            assert_eq!(follower.join().unwrap(), 7);
        }
        assert_eq!(count.load(Relaxed), 1, "one of them led");
    });
}

#[test]
fn a_follower_leaves_by_its_own_context() {
    sim::check(SEEDS, || {
        let calls = SingleFlight::new();
        let call = || {
            time::sleep(Duration::from_secs(5));
            1
        };
        let leads = calls.start(&background(), (), call);
        sim::settle();
        let (ctx, _guard) = background().with_timeout(Duration::from_secs(1));
        let begin = time::now();
        let left = calls.run(&ctx, (), || 2).unwrap_err();
        assert!(matches!(left, FlightError::Cancelled(reason) if reason.is_timeout()));
        assert_eq!(time::now() - begin, Duration::from_secs(1));
        assert_eq!(calls.run(&background(), (), || 3).unwrap().value, 1);
        assert_eq!(leads.recv().unwrap().unwrap().value, 1);
    });
}

#[test]
fn a_forgotten_call_ends_for_those_who_wait_and_a_new_one_begins() {
    sim::check(SEEDS, || {
        let calls = SingleFlight::new();
        let slow = |value| {
            move || {
                time::sleep(Duration::from_secs(5));
                value
            }
        };
        let first = calls.start(&background(), "key", slow(1));
        sim::settle();
        let follows = calls.start(&background(), "key", slow(2));
        sim::settle();
        calls.forget(&"key");
        assert_eq!(calls.in_flight(), 0);
        let second = calls.start(&background(), "key", slow(3));
        sim::settle();
        let joins = calls.start(&background(), "key", slow(4));
        let values = [first, follows, second, joins].map(|it| it.recv().unwrap().unwrap().value);
        assert_eq!(
            values,
            [1, 1, 3, 3],
            "the first did not remove the second's key"
        );
    });
}

#[test]
fn a_panic_of_a_started_call_is_an_error_for_all() {
    everywhere(|| {
        let calls = SingleFlight::<_, u32>::new();
        let (ctx, _guard) = cancellable();
        let call = calls.start(&ctx, 1, || panic!("a panic that the test wants"));
        let error = call.recv().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the call panicked: a panic that the test wants"
        );
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let calls = SingleFlight::new();
        let others: Vec<_> = (0..2)
            .map(|number| {
                let call = move || {
                    yield_now();
                    number
                };
                calls.start(ctx, "key", call)
            })
            .collect();
        drop(calls.run(ctx, "key", || 2));
        for other in others {
            drop(other.recv().unwrap());
        }
        assert_eq!(calls.in_flight(), 0);
    });
}

#[test]
fn os_threads_may_ask() {
    let (calls, count) = (SingleFlight::new(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..50 {
                    let call = || {
                        count.fetch_add(1, Relaxed);
                        key
                    };
                    assert_eq!(calls.run(&background(), key, call).unwrap().value, key);
                }
            });
        }
    });
    assert!((50..=200).contains(&count.load(Relaxed)));
}
