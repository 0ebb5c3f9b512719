//! `WorkerPool`: both feeds, sizes, policies, panics, ends.

use crate::common::{cancellable, everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::context::background;
use gorge_channel::{Sender, bounded};
use gorge_patterns::{Feed, JobError, SubmitError, WhenFull, WorkerPool, WorkerPoolBuilder};
use gorge_runtime::{catch_panic, go, goroutine, sim, time, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const FEEDS: [Feed; 2] = [Feed::Channel, Feed::Lock];

/// With each feed, everywhere.
fn with_each_feed(body: impl Fn(WorkerPoolBuilder) + Send + Sync) {
    everywhere(|| {
        for feed in FEEDS {
            body(WorkerPool::builder().feed(feed));
        }
    });
}

/// Keeps a worker busy until what is returned is dropped; returns when it is.
fn busy(pool: &WorkerPool) -> Sender<()> {
    let ((release, released), (begun, begins)) = (bounded::<()>(0), bounded(1));
    let job = pool.submit(move || {
        begun.send(()).unwrap();
        _ = released.recv();
    });
    drop(job.unwrap());
    begins.recv().unwrap();
    release
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("meant: a destructor that panics");
    }
}

#[test]
fn a_result_whose_destructor_panics_costs_no_worker() {
    with_each_feed(|builder| {
        let pool = builder.workers(1).queue(4).build(&background());
        for _ in 0..3 {
            let (held, gone) = bounded::<()>(0);
            let job = pool.submit(move || {
                // Once the handle is gone, the result is the worker's to drop.
                assert!(gone.recv().is_err());
                Bomb
            });
            drop(job.unwrap());
            drop(held);
        }
        assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    });
}

#[test]
fn jobs_are_done_and_results_come_by_the_handles() {
    with_each_feed(|builder| {
        let pool = builder.workers(3).queue(4).build(&background());
        assert_eq!(pool.workers(), 3);
        let jobs: Vec<_> = (0..50)
            .map(|n| pool.submit(move || n * 2).unwrap())
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.join().unwrap(), number * 2);
        }
    });
}

#[test]
fn a_panic_reaches_the_handle_and_the_worker_goes_on() {
    with_each_feed(|builder| {
        let pool = builder.workers(1).build(&background());
        for _ in 0..3 {
            let job = pool
                .submit(|| -> u8 { panic!("a panic that the test wants") })
                .unwrap();
            let Err(JobError::Panicked(panic)) = job.join() else {
                panic!("it panicked")
            };
            assert_eq!(text(&*panic.into_payload()), "a panic that the test wants");
        }
        assert_eq!(pool.submit(|| 1).unwrap().join().unwrap(), 1);
        assert_eq!(pool.workers(), 1);
    });
}

#[test]
fn a_full_queue_rejects() {
    with_each_feed(|builder| {
        let pool = builder
            .queue(1)
            .when_full(WhenFull::Reject)
            .build(&background());
        let release = busy(&pool);
        let queued = pool.submit(|| 1).unwrap();
        let refused = pool.submit(|| 2).unwrap_err();
        assert!(refused.is_full());
        assert_eq!((refused.into_inner())(), 2, "it is the function");
        drop(release);
        assert_eq!(queued.join().unwrap(), 1);
    });
}

#[test]
fn a_full_queue_drops_the_oldest() {
    with_each_feed(|builder| {
        let pool = builder
            .queue(2)
            .when_full(WhenFull::DropOldest)
            .build(&background());
        let release = busy(&pool);
        let jobs: Vec<_> = (0..4).map(|n| pool.submit(move || n).unwrap()).collect();
        drop(release);
        let results: Vec<_> = jobs.into_iter().map(|job| job.join().ok()).collect();
        assert_eq!(results, [None, None, Some(2), Some(3)]);
    });
}

#[test]
fn a_full_queue_lets_the_caller_run_it() {
    with_each_feed(|builder| {
        let pool = builder
            .queue(1)
            .when_full(WhenFull::CallerRuns)
            .build(&background());
        let release = busy(&pool);
        let queued = pool.submit(|| goroutine::current().id()).unwrap();
        let here = pool.submit(|| goroutine::current().id()).unwrap();
        assert!(here.is_finished() && !queued.is_finished());
        assert_eq!(here.join().unwrap(), goroutine::current().id());
        let panics = pool
            .submit(|| -> u8 { panic!("a panic that the test wants") })
            .unwrap();
        assert!(panics.join().unwrap_err().is_panic());
        drop(release);
        assert_ne!(queued.join().unwrap(), goroutine::current().id());
    });
}

#[test]
fn a_full_queue_blocks_until_there_is_room_or_the_context_is_done() {
    with_each_feed(|builder| {
        let pool = Arc::new(builder.queue(1).build(&background()));
        let release = busy(&pool);
        let queued = pool.submit(|| 1).unwrap();
        let (ctx, guard) = cancellable();
        let cancelled = go({
            let pool = pool.clone();
            move || {
                pool.submit_with(&ctx, || 2)
                    .map(drop)
                    .unwrap_err()
                    .into_inner()()
            }
        });
        let blocked = go({
            let pool = pool.clone();
            move || pool.submit(|| 3).unwrap().join().unwrap()
        });
        (0..20).for_each(|_| yield_now());
        assert!(!blocked.is_finished() && !cancelled.is_finished());
        guard.cancel();
        assert_eq!(cancelled.join().unwrap(), 2, "handed back");
        drop(release);
        assert_eq!((queued.join().unwrap(), blocked.join().unwrap()), (1, 3));
    });
}

#[test]
fn a_deadline_ends_a_blocked_submit() {
    sim::check(100, || {
        for feed in FEEDS {
            let pool = WorkerPool::builder()
                .feed(feed)
                .queue(1)
                .build(&background());
            let (release, queued) = (busy(&pool), pool.submit(|| 1).unwrap());
            let (ctx, _guard) = background().with_timeout(Duration::from_secs(60));
            let begin = time::now();
            let error = pool.submit_with(&ctx, || 2).unwrap_err();
            assert!(matches!(error, SubmitError::Cancelled(_)));
            assert_eq!(time::now() - begin, Duration::from_secs(60));
            drop(release);
            assert_eq!(queued.join().unwrap(), 1);
        }
    });
}

#[test]
fn an_elastic_pool_grows_with_its_jobs_and_shrinks_without() {
    const PATIENCE: Duration = Duration::from_secs(10);
    sim::check(300, || {
        for feed in FEEDS {
            let builder = WorkerPool::builder().feed(feed).elastic(0, 3, PATIENCE);
            let pool = builder.build(&background());
            assert_eq!(pool.workers(), 0);
            // Each job waits for the next one: all three have to run at once.
            let (first, second, third) = (bounded::<()>(0), bounded::<()>(0), bounded::<()>(0));
            let job = |from: &(Sender<()>, gorge_channel::Receiver<()>), to: &Sender<()>| {
                let (from, to) = (from.1.clone(), to.clone());
                pool.submit(move || {
                    to.send(()).unwrap();
                    from.recv().unwrap();
                })
                .unwrap()
            };
            let jobs = [job(&second, &first.0), job(&third, &second.0)];
            sim::settle();
            assert_eq!(pool.workers(), 2);
            first.1.recv().unwrap();
            third.0.send(()).unwrap();
            jobs.into_iter().for_each(|job| job.join().unwrap());
            time::sleep(3 * PATIENCE);
            assert_eq!(pool.workers(), 0);
            assert_eq!(
                pool.submit(|| 5).unwrap().join().unwrap(),
                5,
                "and grows again"
            );
        }
    });
}

#[test]
fn an_elastic_pool_never_leaves_a_job_alone() {
    sim::check(SEEDS, || {
        let builder = WorkerPool::builder()
            .elastic(0, 2, Duration::from_nanos(1))
            .queue(1);
        let feed = FEEDS[gorge_runtime::primitive::random_below(2)];
        let pool = builder.feed(feed).build(&background());
        for number in 0..4 {
            let job = pool.submit(move || number).unwrap();
            if number % 2 == 0 {
                time::sleep(Duration::from_nanos(1));
            }
            assert_eq!(job.join().unwrap(), number);
            assert!(pool.workers() <= 2);
        }
    });
}

#[test]
fn a_graceful_shutdown_does_what_is_in_the_queue() {
    with_each_feed(|builder| {
        let pool = Arc::new(builder.workers(2).build(&background()));
        let jobs: Vec<_> = (0..20).map(|n| pool.submit(move || n).unwrap()).collect();
        pool.shutdown();
        assert_eq!((pool.workers(), pool.queued()), (0, 0));
        assert!(jobs.iter().all(|job| job.is_finished()));
        let refused = pool.submit(|| 7).unwrap_err();
        assert!(refused.is_closed());
        assert_eq!((refused.into_inner())(), 7);
        assert!(jobs.into_iter().map(|job| job.join().unwrap()).eq(0..20));
    });
}

#[test]
fn an_immediate_shutdown_drops_the_queue_and_unwinds_what_runs() {
    with_each_feed(|builder| {
        let pool = builder.workers(1).build(&background());
        let (begun, begins) = bounded(1);
        let running = pool
            .submit(move || {
                begun.send(()).unwrap();
                goroutine::park_forever()
            })
            .unwrap();
        begins.recv().unwrap();
        let queued: Vec<_> = (0..3).map(|_| pool.submit(|| ()).unwrap()).collect();
        assert_eq!(pool.shutdown_now(), 3);
        let result: Result<(), _> = running.join();
        assert!(matches!(result, Err(JobError::Dropped)));
        assert!(queued.into_iter().all(|job| job.join().is_err()));
        assert_eq!(pool.workers(), 0);
    });
}

#[test]
fn its_context_shuts_it_down_at_once() {
    with_each_feed(|builder| {
        let (ctx, guard) = cancellable();
        let pool = builder.workers(2).build(&ctx);
        let running = pool.submit(|| goroutine::park_forever()).unwrap();
        guard.cancel();
        let result: Result<(), _> = running.join();
        assert!(matches!(result, Err(JobError::Dropped)));
        wait_for(|| pool.submit(|| ()).is_err());
        wait_for(|| pool.workers() == 0);
    });
}

#[test]
fn dropping_a_pool_waits_for_its_jobs() {
    with_each_feed(|builder| {
        let done = Arc::new(AtomicUsize::new(0));
        let pool = builder.workers(2).build(&background());
        for _ in 0..10 {
            let done = done.clone();
            drop(
                pool.submit(move || {
                    yield_now();
                    done.fetch_add(1, Relaxed);
                })
                .unwrap(),
            );
        }
        drop(pool);
        assert_eq!(done.load(Relaxed), 10);
    });
}

#[test]
fn a_panicking_owner_stops_its_pool() {
    with_each_feed(|builder| {
        let owner = || {
            let pool = builder.build(&background());
            drop(pool.submit(|| goroutine::park_forever()).unwrap());
            panic!("a panic that the test wants");
        };
        assert!(catch_panic(AssertUnwindSafe(owner)).is_err());
    });
}

#[test]
fn a_job_may_drop_the_pool_and_shut_it_down() {
    with_each_feed(|builder| {
        let pool = Arc::new(builder.workers(2).build(&background()));
        let (release, released) = bounded::<()>(0);
        let job = pool
            .submit({
                let pool = pool.clone();
                move || {
                    _ = released.recv();
                    pool.shutdown();
                    drop(pool);
                }
            })
            .unwrap();
        drop(pool);
        drop(release);
        job.join().unwrap();
    });
}

#[test]
fn a_handle_waits_for_a_time() {
    sim::check(100, || {
        let pool = WorkerPool::new(&background(), 1);
        let job = pool.submit(|| time::sleep(Duration::from_secs(5))).unwrap();
        let job = job.join_timeout(Duration::from_secs(4)).unwrap_err();
        assert!(job.join_timeout(Duration::from_secs(2)).unwrap().is_ok());
    });
}

#[test]
fn workers_have_names() {
    everywhere(|| {
        let pool = WorkerPool::builder().name("crawler").build(&background());
        let name = pool
            .submit(|| goroutine::current().name().map(str::to_owned))
            .unwrap();
        assert_eq!(name.join().unwrap().as_deref(), Some("crawler-1"));
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody_and_every_handle_ends() {
    for feed in FEEDS {
        let body = move |ctx: &gorge_channel::context::Context| {
            let pool = WorkerPool::builder()
                .workers(2)
                .queue(1)
                .feed(feed)
                .build(ctx);
            let mut jobs = Vec::new();
            for number in 0..4 {
                match pool.submit_with(ctx, move || {
                    yield_now();
                    number
                }) {
                    Ok(job) => jobs.push((number, job)),
                    Err(_) => break,
                }
            }
            for (number, job) in jobs {
                assert!(job.join().map_or(true, |value| value == number));
            }
        };
        cancelled_at_any_point(body);
    }
}

#[test]
fn os_threads_may_submit_and_join() {
    for feed in FEEDS {
        let pool = WorkerPool::builder()
            .workers(2)
            .queue(2)
            .feed(feed)
            .build(&background());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for number in 0..20 {
                        assert_eq!(pool.submit(move || number).unwrap().join().unwrap(), number);
                    }
                });
            }
        });
    }
}

#[test]
#[should_panic(expected = "at least one")]
fn a_pool_of_no_workers_is_refused() {
    drop(WorkerPool::new(&background(), 0));
}
