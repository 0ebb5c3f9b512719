//! `Group`: values, errors, panics, limits, ends.

use crate::common::{cancellable, everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::bounded;
use gorge_channel::context::{Context, background};
use gorge_patterns::{Group, OnError, OnPanic, TaskError};
use gorge_runtime::{catch_panic, go, goroutine, num_goroutines, sim, time, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

fn waits_for_the_end(ctx: &Context) -> Result<u32, String> {
    assert!(ctx.done().recv().is_err(), "it carries no values");
    Err("too late".to_owned())
}

#[test]
fn values_come_in_the_order_of_submission() {
    everywhere(|| {
        let group = Group::new(&background());
        for number in 0..50_u32 {
            let yields = (50 - number) % 7;
            let task = move || {
                (0..yields).for_each(|_| yield_now());
                Ok::<_, String>(number)
            };
            group.go(task).unwrap();
        }
        assert!(group.wait().unwrap().into_iter().eq(0..50));
        assert!(group.wait().unwrap().is_empty(), "they were taken");
    });
}

#[test]
fn the_first_error_cancels_the_others_with_itself_as_the_cause() {
    everywhere(|| {
        let (group, ctx) = Group::with_context(&background());
        for _ in 0..3 {
            let ctx = ctx.clone();
            group.go(move || waits_for_the_end(&ctx)).unwrap();
        }
        group.go(|| Err("out of paper".to_owned())).unwrap();
        let error = group.wait().unwrap_err();
        assert_eq!(error.first().index(), 3);
        assert_eq!(error.to_string(), "task 3: out of paper");
        assert_eq!(error.failures().len(), 1, "the others are consequences");
        assert_eq!(error.into_first().into_failed().unwrap(), "out of paper");
        assert_eq!(ctx.cause().unwrap().to_string(), "out of paper");
    });
}

#[test]
fn a_shared_error_is_the_cause_itself() {
    type Shared = Arc<dyn std::error::Error + Send + Sync>;
    everywhere(|| {
        let group = Group::<(), Shared>::new(&background());
        let task = || Err(Arc::new(std::io::Error::other("disk")) as Shared);
        group.go(task).unwrap();
        assert!(group.wait().is_err());
        let cause = group.context().cause().unwrap();
        assert!(cause.downcast_ref::<std::io::Error>().is_some());
    });
}

#[test]
fn no_result_is_lost_around_errors() {
    // A result after the last error was once lost elsewhere.
    everywhere(|| {
        let group = Group::builder()
            .on_error(OnError::CollectAll)
            .build(&background());
        for number in 0..10_u32 {
            let task = move || match number % 3 {
                1 => Err(format!("no {number}")),
                _ => Ok(number),
            };
            group.go_named(format!("task of {number}"), task).unwrap();
        }
        assert!(group.context().err().is_none());
        let results = group.wait_all();
        assert_eq!(results.len(), 10);
        for (number, result) in (0..).zip(results) {
            match result {
                Ok(value) => assert_eq!(value, number),
                Err(error) => assert_eq!(error.into_failed(), Some(format!("no {number}"))),
            }
        }
    });
}

#[test]
fn all_errors_are_collected_with_their_tasks() {
    everywhere(|| {
        let group = Group::<(), _>::builder()
            .on_error(OnError::CollectAll)
            .build(&background());
        for name in ["one", "two", "three"] {
            group.go_named(name, move || Err(name)).unwrap();
        }
        let failures = group.wait().unwrap_err().into_failures();
        assert_eq!(failures.len(), 3);
        for failure in &failures {
            let name = ["one", "two", "three"][failure.index()];
            assert_eq!(
                (failure.name(), failure.error().to_string()),
                (Some(name), name.into())
            );
        }
    });
}

#[test]
fn the_first_error_alone_is_reported_and_the_others_go_on() {
    everywhere(|| {
        let group = Group::builder()
            .on_error(OnError::FirstOnly)
            .build(&background());
        let (failed, has_failed) = bounded::<()>(0);
        let slow = has_failed.clone();
        group.go(move || slow.recv().map_err(|_| "second")).unwrap();
        group
            .go(move || {
                drop(failed);
                Err("first")
            })
            .unwrap();
        let error = group.wait().unwrap_err();
        assert!(["first", "second"].contains(&error.into_first().into_failed().unwrap()));
        assert!(group.context().err().is_none(), "nobody was told to stop");
        group.go(|| Ok(())).unwrap();
        assert_eq!(group.wait().unwrap(), [()], "it may be used again");
    });
}

#[test]
fn a_panic_cancels_the_others_and_continues_in_the_owner() {
    everywhere(|| {
        let group = Group::new(&background());
        let (ctx, ended) = (group.context().clone(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let (ctx, ended) = (ctx.clone(), ended.clone());
            group
                .go(move || {
                    let result = waits_for_the_end(&ctx);
                    ended.fetch_add(1, Relaxed);
                    result
                })
                .unwrap();
        }
        group
            .go(|| panic!("a panic that the test wants: {}", 42))
            .unwrap();
        let payload = catch_panic(AssertUnwindSafe(|| group.wait())).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants: 42");
        assert_eq!(ended.load(Relaxed), 3, "all have ended before");
        let cause = ctx.cause().unwrap().to_string();
        assert_eq!(cause, "a task panicked: a panic that the test wants: 42");
    });
}

#[test]
fn a_payload_of_any_type_arrives() {
    everywhere(|| {
        let group = Group::<(), String>::new(&background());
        group.go(|| std::panic::panic_any(7_u64)).unwrap();
        let payload = catch_panic(AssertUnwindSafe(|| group.wait())).unwrap_err();
        assert_eq!(payload.downcast_ref::<u64>(), Some(&7));
    });
}

#[test]
fn dropping_a_group_continues_a_panic_that_nobody_has_seen() {
    everywhere(|| {
        let group = Group::<(), String>::new(&background());
        group.go(|| panic!("a panic that the test wants")).unwrap();
        assert!(catch_panic(AssertUnwindSafe(|| drop(group))).is_err());
    });
}

#[test]
fn a_panic_is_an_error_or_nothing_if_so_chosen() {
    everywhere(|| {
        let build = |on_panic| {
            Group::<u32, String>::builder()
                .on_panic(on_panic)
                .build(&background())
        };
        let group = build(OnPanic::ToError);
        group.go(|| panic!("a panic that the test wants")).unwrap();
        let error = group.wait().unwrap_err();
        assert!(error.first().error().is_panic());
        assert_eq!(
            error.to_string(),
            "task 0: panicked: a panic that the test wants"
        );
        assert!(group.context().err().is_some(), "as by an error");

        let group = build(OnPanic::Ignore);
        group.go(|| panic!("a panic that the test wants")).unwrap();
        group.go(|| Ok(2)).unwrap();
        assert_eq!(group.wait().unwrap(), [2]);
        assert!(group.context().err().is_none());
    });
}

#[test]
fn no_more_run_at_once_than_the_limit() {
    everywhere(|| {
        let group = Group::builder().limit(3).build(&background());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..30 {
            let (running, most) = (running.clone(), most.clone());
            group
                .go(move || {
                    most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                    yield_now();
                    running.fetch_sub(1, Relaxed);
                    Ok::<_, String>(())
                })
                .unwrap();
        }
        assert_eq!(group.wait().unwrap().len(), 30);
        assert!(most.load(Relaxed) <= 3);
    });
}

#[test]
fn whoever_waits_at_the_limit_hears_of_a_cancel() {
    // A group with a limit that cancels on error was once a deadlock elsewhere.
    sim::check(SEEDS, || {
        let group = Group::<u32, String>::builder()
            .limit(1)
            .build(&background());
        let ctx = group.context().clone();
        group.go(move || waits_for_the_end(&ctx)).unwrap();
        let canceller = go({
            let spawner = group.spawner();
            move || {
                assert!(
                    spawner
                        .try_go(|| Err("full, or not".into()))
                        .unwrap_err()
                        .is_full()
                )
            }
        });
        canceller.join().unwrap();
        let cancels = go({
            let ctx = group.context().clone();
            move || assert!(ctx.done().recv().is_err())
        });
        let waits = go({
            let spawner = group.spawner();
            move || spawner.go(|| Ok(1)).is_err()
        });
        group.cancel_with("enough");
        assert!(waits.join().unwrap(), "the function was handed back");
        cancels.join().unwrap();
        assert!(group.wait().is_err());
    });
}

#[test]
fn an_error_of_the_one_that_runs_ends_the_wait_at_the_limit() {
    sim::check(SEEDS, || {
        let group = Group::<(), &str>::builder().limit(2).build(&background());
        let mut refused = 0;
        for number in 0..6 {
            let task = move || if number == 1 { Err("no") } else { Ok(()) };
            refused += usize::from(group.go(task).is_err());
        }
        assert_eq!(
            group.wait().unwrap_err().into_first().into_failed(),
            Some("no")
        );
        assert!(refused <= 4);
    });
}

#[test]
fn try_go_starts_nothing_at_the_limit_nor_after_the_end() {
    everywhere(|| {
        let group = Group::builder().limit(1).build(&background());
        let (release, released) = bounded::<()>(0);
        group
            .try_go(move || {
                assert!(released.recv().is_err());
                Ok::<_, String>(())
            })
            .unwrap();
        let refused = group.try_go(|| Ok(())).unwrap_err();
        assert!(refused.is_full());
        assert_eq!((refused.into_inner())(), Ok(()), "it is the function");
        drop(release);
        assert_eq!(group.wait().unwrap().len(), 1);
        wait_for(|| group.try_go(|| Ok(())).is_ok());
        group.cancel();
        assert!(!group.try_go(|| Ok(())).unwrap_err().is_full());
        assert!(group.go(|| Ok(())).is_err());
    });
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_limit_of_none_is_refused() {
    let _ = Group::<(), String>::builder().limit(0);
}

#[test]
fn tasks_may_start_others() {
    everywhere(|| {
        let group = Group::new(&background());
        let spawner = group.spawner();
        group
            .go(move || {
                let inner = spawner.clone();
                spawner
                    .go(move || {
                        inner.go(|| Ok::<_, String>(2)).unwrap();
                        Ok(1)
                    })
                    .unwrap();
                Ok(0)
            })
            .unwrap();
        assert_eq!(group.wait().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn dropping_a_group_cancels_and_waits() {
    everywhere(|| {
        let group = Group::new(&background());
        let (ctx, ended) = (group.context().clone(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let (ctx, ended) = (ctx.clone(), ended.clone());
            group
                .go(move || {
                    let result = waits_for_the_end(&ctx);
                    ended.fetch_add(1, Relaxed);
                    result
                })
                .unwrap();
        }
        drop(group);
        assert_eq!(ended.load(Relaxed), 3);
    });
}

#[test]
fn a_deadline_ends_it_in_time() {
    const HOUR: Duration = Duration::from_secs(3600);
    sim::check(100, || {
        let begin = time::now();
        let group = Group::builder().timeout(HOUR).build(&background());
        let ctx = group.context().clone();
        group.go(move || ctx.sleep(2 * HOUR)).unwrap();
        let error = group
            .wait()
            .unwrap_err()
            .into_first()
            .into_failed()
            .unwrap();
        assert!(error.is_timeout());
        assert_eq!(time::now() - begin, HOUR);
    });
}

#[test]
fn tasks_are_unwound_if_the_group_interrupts() {
    everywhere(|| {
        let group = Group::<(), String>::builder()
            .interrupt(true)
            .build(&background());
        group.go(|| goroutine::park_forever()).unwrap();
        group.go(|| Err("stop".to_owned())).unwrap();
        let results = group.wait_all();
        assert!(matches!(results[0], Err(TaskError::Cancelled)));
        assert_eq!(results[1].as_ref().unwrap_err().to_string(), "stop");
    });
}

#[test]
fn names_are_those_of_the_goroutines() {
    everywhere(|| {
        let group = Group::new(&background());
        let name = || Ok::<_, String>(goroutine::current().name().map(str::to_owned));
        group.go_named("fetch", name).unwrap();
        assert_eq!(group.wait().unwrap(), [Some("fetch".to_owned())]);
    });
}

#[test]
fn it_may_be_used_from_os_threads() {
    let group = Group::builder().limit(2).build(&background());
    for number in 0..10 {
        group.go(move || Ok::<_, String>(number)).unwrap();
    }
    assert!(group.wait().unwrap().into_iter().eq(0..10));
}

#[test]
fn the_outer_context_ends_it() {
    everywhere(|| {
        let (outer, guard) = cancellable();
        let group = Group::new(&outer);
        let ctx = group.context().clone();
        group.go(move || waits_for_the_end(&ctx)).unwrap();
        guard.cancel_with("closing time");
        assert!(group.wait().is_err());
        assert_eq!(group.context().cause().unwrap().to_string(), "closing time");
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let group = Group::builder().limit(2).build(ctx);
        for number in 0..4_u32 {
            let ctx = group.context().clone();
            let task = move || match number {
                3 => waits_for_the_end(&ctx),
                _ => Ok(number),
            };
            if group.go(task).is_err() {
                break;
            }
        }
        drop(group.wait());
        assert!(group.context().err().is_some());
    });
}

#[test]
fn a_cancelled_wait_leaves_the_results_in_the_group() {
    sim::check(SEEDS, || {
        let group = Arc::new(Group::new(&background()));
        let (release, released) = bounded::<()>(0);
        group.go(|| Ok::<_, String>(1)).unwrap();
        group
            .go(move || Ok(released.recv().map_or(2, |()| 0)))
            .unwrap();
        let waits = go({
            let group = group.clone();
            move || group.wait().unwrap()
        });
        yield_now();
        waits.cancel();
        let cancelled = waits.join();
        assert!(cancelled.unwrap_err().is_cancelled());
        drop(release);
        assert_eq!(group.wait().unwrap(), [1, 2]);
    });
}

#[test]
fn thousands_leave_nothing() {
    everywhere(|| {
        let group = Group::new(&background());
        for number in 0..2000_usize {
            group.go(move || Ok::<_, String>(number)).unwrap();
        }
        assert_eq!(group.wait().unwrap().len(), 2000);
        wait_for(|| num_goroutines() == 1);
    });
}
