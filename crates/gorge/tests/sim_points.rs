//! Where another goroutine may come between, and what finds a bug there.

use gorge::channel::{Select, bounded, unbounded};
use gorge::context::{self, Context};
use gorge::sim::{self, Action, Config, FailureKind};
use gorge::sync::{
    Condvar, LazyLock, Mutex, Once, OnceLock, Pool, RwLock, RwLockUpgradableReadGuard,
    RwLockWriteGuard, Semaphore,
};
use gorge::time::{Ticker, Timer};
use gorge::{block_on, go, num_goroutines, time};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const SEEDS: u64 = 300;
const SECOND: Duration = Duration::from_secs(1);

/// The points of what nobody else takes part in.
#[track_caller]
fn has_points(expected: &[&str], f: impl FnOnce() + Send) {
    let observed = Config::new().observe(1, f);
    observed.result.expect("it passes");
    let steps = observed.trace.steps().filter_map(|step| match step.action {
        Action::At(operation) => Some(operation),
        _ => None,
    });
    assert_eq!(steps.collect::<Vec<_>>(), expected);
}

#[test]
fn cells_pools_and_semaphores_have_points() {
    has_points(
        &["set a value", "get a value", "get or initialise a value"],
        || {
            let cell = OnceLock::new();
            cell.set(1).expect("it is empty");
            assert_eq!((cell.get(), cell.get_or_init(|| 2)), (Some(&1), &1));
            drop(format!("{cell:?}"));
        },
    );
    has_points(&["call once", "look at a once", "force a value"], || {
        let once = Once::new();
        once.call_once(|| ());
        assert!(once.state().done());
        assert_eq!(*LazyLock::new(|| 1), 1);
        drop(format!("{once:?}"));
    });
    let (takes, gives) = ("take from a pool", "give to a pool");
    let (looks, empties) = ("look at a pool", "empty a pool");
    has_points(
        &[
            takes, gives, takes, gives, gives, looks, looks, empties, empties,
        ],
        || {
            let pool = Pool::new(|| 1);
            drop(pool.get());
            drop(pool.try_get());
            pool.put(2);
            assert_eq!((pool.idle(), pool.created()), (2, 1));
            pool.shrink();
            pool.clear();
            drop(format!("{pool:?}"));
        },
    );
    let looks = "look at a semaphore";
    has_points(
        &[looks, looks, "forget permits", "release permits", "close"],
        || {
            let semaphore = Semaphore::new(2);
            assert_eq!(
                (semaphore.available_permits(), semaphore.is_closed()),
                (2, false)
            );
            assert_eq!(semaphore.forget_permits(1), 1);
            semaphore.add_permits(1);
            semaphore.close();
            drop(format!("{semaphore:?}"));
        },
    );
}

#[test]
fn locks_and_conditions_have_points() {
    has_points(&["look at a lock", "lock", "unlock", "unlock"], || {
        let mutex = Mutex::new(());
        assert!(!mutex.is_locked());
        // The wait lets the mutex go, too.
        let waited = Condvar::new().wait_for(&mut mutex.lock(), SECOND);
        assert!(waited.timed_out());
    });
    let looks = "look at a lock";
    let upgrades = [
        "upgradable lock",
        "try to upgrade",
        "downgrade",
        "upgrade",
        "downgrade",
    ];
    let rest = [
        "unlock",
        "read lock",
        "unlock",
        "write lock",
        "downgrade",
        "unlock",
    ];
    has_points(&[&[looks, looks], &upgrades[..], &rest].concat(), || {
        let lock = RwLock::new(());
        assert!(!lock.is_locked() && !lock.is_locked_exclusive());
        let upgradable = lock.upgradable_read();
        let written = RwLockUpgradableReadGuard::try_upgrade(upgradable).expect("it is alone");
        let upgradable = RwLockWriteGuard::downgrade_to_upgradable(written);
        let written = RwLockUpgradableReadGuard::upgrade(upgradable);
        drop(RwLockWriteGuard::downgrade(written));
        drop(lock.read_recursive());
        drop(RwLockWriteGuard::downgrade(lock.write()));
    });
}

#[test]
fn channels_have_points() {
    let looks = "look at a channel";
    has_points(&[looks; 8], || {
        let (sender, receiver) = bounded::<()>(1);
        assert_eq!((sender.len(), receiver.len()), (0, 0));
        assert!(sender.is_empty() && receiver.is_empty());
        assert!(!sender.is_full() && !receiver.is_full());
        assert!(!sender.is_closed() && !receiver.is_closed());
        std::mem::forget((sender, receiver));
    });
    let [sends, gives_up] = ["send what was reserved", "give up what was reserved"];
    has_points(
        &["select", gives_up, "select", sends, "select", sends],
        || {
            let (sender, receiver) = bounded(2);
            drop(sender.reserve().expect("there is room"));
            let permit = sender.reserve().expect("there is room");
            permit.send(1).expect("it is open");
            let mut select = Select::new();
            select.send(&sender);
            select.select().send(&sender, 2).expect("it is open");
            drop(select);
            std::mem::forget((sender, receiver));
        },
    );
}

#[test]
fn timers_and_contexts_have_points() {
    let [sets, stops] = ["set a timer", "stop a timer"];
    has_points(&[sets, sets, stops, "close", sets, stops, "close"], || {
        let timer = Timer::new(SECOND);
        assert!(timer.reset(SECOND) && timer.reset_at(time::now()) && timer.stop());
        drop(timer);
        let ticker = Ticker::new(SECOND);
        ticker.reset(SECOND);
        ticker.stop();
    });
    let [derives, looks, cancels] = ["derive a context", "look at a context", "cancel a context"];
    let timed = [derives, looks, looks, cancels];
    has_points(
        &[
            &[derives, looks, looks],
            &timed[..],
            &[looks, "stop a function", cancels],
        ]
        .concat(),
        || {
            let (context, guard) = context::background().with_cancel();
            assert!(context.err().is_none() && context.cause().is_none());
            let (timed, timed_guard) = context.with_timeout(SECOND);
            assert!(timed.err().is_none() && timed.cause().is_none());
            drop(timed_guard);
            assert!(context.after_func(|| ()).stop());
            guard.cancel_with("it is late");
            guard.forget();
        },
    );
}

#[test]
fn goroutines_have_points() {
    let [starts, looks] = ["go on after the start", "look at a goroutine"];
    let expected = [starts, looks, "join", "count goroutines", "sleep"];
    has_points(&expected, || {
        let child = go(|| ());
        sim::settle();
        assert!(child.is_finished());
        drop(format!("{child:?}"));
        block_on(child).expect("it has ended");
        assert_eq!(num_goroutines(), 1);
        time::sleep(Duration::ZERO);
    });
}

/// A check finds what is planted here.
#[track_caller]
fn is_found(message: &str, planted: impl Fn() + Sync) {
    let config = Config::new();
    let found = config
        .try_check(1000, &planted)
        .expect_err("there is a bug");
    assert_eq!(found.kind(), FailureKind::Panic);
    assert!(found.message().contains(message), "{found}");
    let again = config.try_run(found.seed(), &planted).expect_err("again");
    assert_eq!(
        (again.step(), again.message()),
        (found.step(), found.message())
    );
}

/// Two who do the same.
fn both(f: impl Fn() + Clone + Send + 'static) {
    let other = go(f.clone());
    f();
    if let Err(error) = other.join() {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[test]
fn what_was_looked_at_is_not_so_any_more() {
    is_found("it was empty", || {
        let cell = Arc::new(OnceLock::new());
        both(move || {
            if cell.get().is_none() {
                cell.set(1).expect("it was empty");
            }
        });
    });
    is_found("there was one", || {
        let pool = Arc::new(Pool::new(|| 1));
        pool.put(2);
        both(move || {
            if pool.idle() > 0 {
                drop(pool.try_get().expect("there was one"));
            }
        });
    });
    is_found("there was one", || {
        let semaphore = Arc::new(Semaphore::new(1));
        both(move || {
            if semaphore.available_permits() > 0 {
                drop(semaphore.try_acquire().expect("there was one"));
            }
        });
    });
    is_found("there was one", || {
        let (sender, receiver) = unbounded();
        sender.send(1).expect("it is open");
        both(move || {
            if !receiver.is_empty() {
                receiver.try_recv().expect("there was one");
            }
        });
    });
    is_found("there was room", || {
        let (sender, receiver) = bounded(1);
        both(move || {
            if !sender.is_full() {
                sender.try_send(1).expect("there was room");
            }
        });
        drop(receiver);
    });
    is_found("it was free", || {
        let mutex = Arc::new(Mutex::new(()));
        both(move || {
            if !mutex.is_locked() {
                drop(mutex.try_lock().expect("it was free"));
            }
        });
    });
    is_found("somebody has stopped it", || {
        let timer = Arc::new(Timer::new(SECOND));
        both(move || {
            assert!(timer.stop(), "somebody has stopped it");
            timer.reset(SECOND);
        });
    });
}

/// Something that changes, what changes it, and whether it has.
struct Changing {
    change: Box<dyn FnOnce() + Send>,
    look: Box<dyn FnMut() -> bool>,
}

impl Changing {
    fn of<T: Clone + Send + 'static>(
        shared: T,
        change: impl FnOnce(T) + Send + 'static,
        mut look: impl FnMut(&T) -> bool + 'static,
    ) -> Changing {
        let other = shared.clone();
        Changing {
            change: Box::new(move || change(other)),
            look: Box::new(move || look(&shared)),
        }
    }
}

fn context_and_cancel() -> (Context, Arc<context::CancelGuard>) {
    let (context, guard) = context::background().with_cancel();
    (context, Arc::new(guard))
}

fn pool() -> Arc<Pool<i32>> {
    Arc::new(Pool::new(|| 1))
}

/// Whatever can be looked at without a wait.
fn looks() -> Vec<fn() -> Changing> {
    [looks_of_sync(), looks_of_channels()].concat()
}

fn looks_of_channels() -> Vec<fn() -> Changing> {
    vec![
        || {
            Changing::of(
                context_and_cancel(),
                |it| it.1.cancel(),
                |it| it.0.err().is_some(),
            )
        },
        || {
            Changing::of(
                context_and_cancel(),
                |it| it.1.cancel(),
                |it| it.0.cause().is_some(),
            )
        },
        || Changing::of(unbounded(), |it| _ = it.0.send(1), |it| it.1.len() == 1),
        || Changing::of(bounded(1), |it| _ = it.0.send(1), |it| it.0.is_full()),
        || {
            Changing::of(
                bounded::<()>(1),
                |it| _ = it.0.close(),
                |it| it.1.is_closed(),
            )
        },
        || {
            let timer = Arc::new(Timer::new(SECOND));
            Changing::of(
                timer,
                |it| _ = it.reset_at(time::now()),
                |it| it.try_recv().is_ok(),
            )
        },
    ]
}

fn looks_of_sync() -> Vec<fn() -> Changing> {
    vec![
        || {
            Changing::of(
                Arc::new(OnceLock::new()),
                |it| _ = it.set(1),
                |it| it.get().is_some(),
            )
        },
        || {
            Changing::of(
                Arc::new(Once::new()),
                |it| it.call_once(|| ()),
                |it| it.state().done(),
            )
        },
        || Changing::of(pool(), |it| it.put(1), |it| it.idle() > 0),
        || Changing::of(pool(), |it| drop(it.get()), |it| it.created() > 0),
        || Changing::of(pool(), |it| it.put(1), |it| it.try_get().is_some()),
        || {
            let semaphore = Arc::new(Semaphore::new(0));
            Changing::of(
                semaphore,
                |it| it.add_permits(1),
                |it| it.available_permits() > 0,
            )
        },
        || {
            Changing::of(
                Arc::new(Semaphore::new(0)),
                |it| it.close(),
                |it| it.is_closed(),
            )
        },
        || {
            let forget = |mutex: Arc<Mutex<()>>| std::mem::forget(mutex.lock());
            Changing::of(Arc::new(Mutex::new(())), forget, |it| it.is_locked())
        },
        || {
            let forget = |lock: Arc<RwLock<()>>| std::mem::forget(lock.write());
            Changing::of(Arc::new(RwLock::new(())), forget, |it| {
                it.is_locked_exclusive()
            })
        },
    ]
}

#[test]
fn a_loop_that_only_looks_lets_the_others_change_what_it_looks_at() {
    for start in looks() {
        sim::check(50, || {
            let Changing { change, mut look } = start();
            let changes = go(change);
            while !look() {}
            changes.join().expect("it ends");
        });
    }
    sim::check(50, || {
        let child = go(|| ());
        while !child.is_finished() {}
        while num_goroutines() > 1 {}
        child.join().expect("it has ended");
    });
    sim::check(50, || {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let child = go(move || ends.store(true, Relaxed));
        while !is_over.load(Relaxed) {
            time::sleep(Duration::ZERO);
        }
        child.join().expect("it has ended");
    });
}

#[test]
fn between_two_looks_all_may_change_or_nothing() {
    for start in looks() {
        let mut found = BTreeSet::new();
        for seed in 0..SEEDS {
            found.insert(sim::run(seed, || {
                let Changing { change, mut look } = start();
                let changes = go(change);
                let seen = (look(), look());
                changes.join().expect("it ends");
                seen
            }));
        }
        assert!(
            found.contains(&(false, false)) && found.contains(&(false, true)),
            "{found:?}"
        );
    }
}

#[test]
fn a_loop_that_nobody_ends_fails() {
    let config = Config::new().max_steps_at_once(10_000);
    let failure = config.try_run(1, || {
        let (context, _guard) = context::background().with_timeout(SECOND);
        // No time passes as long as it runs.
        while context.err().is_none() {}
    });
    let failure = failure.expect_err("it has no end");
    assert_eq!(failure.kind(), FailureKind::StepLimit);
}
