//! In which ways a simulation fails, and what is refused in one.

use gorge::channel::{bounded, select, unbounded};
use gorge::netpoll::{Direction, PollError, Pollable};
use gorge::sim::{self, Action, Config, FailureKind};
use gorge::sync::Mutex;
use gorge::{JoinHandle, Runtime, block_on, blocking, go, goroutine, time, yield_now};
use std::io::Read;
use std::mem;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

fn payload_of(f: impl FnOnce()) -> Box<dyn std::any::Any + Send> {
    catch_unwind(AssertUnwindSafe(f)).expect_err("it panics")
}

fn message_of(f: impl FnOnce()) -> String {
    *payload_of(f).downcast().expect("a string")
}

/// For ten seeds: how it fails, and how many goroutines are left then.
fn failure_of(f: impl Fn() + Sync) -> (FailureKind, usize) {
    let mut ways = (0..10).map(|seed| {
        let failure = Config::new().try_run(seed, &f).expect_err("it fails");
        assert_eq!(failure.seed(), seed);
        (failure.kind(), failure.dump().goroutines().len())
    });
    let first = ways.next().expect("there are ten");
    assert!(ways.all(|way| way == first));
    first
}

#[test]
fn a_deadlock_of_the_closure_or_of_others_is_told_apart() {
    let park = || goroutine::park();
    assert_eq!(failure_of(park), (FailureKind::Deadlock, 1));
    let both = || {
        go(goroutine::park);
        go(|| time::sleep(Duration::from_secs(60)));
        goroutine::park();
    };
    assert_eq!(failure_of(both), (FailureKind::Deadlock, 2));
    let child = || drop(go(goroutine::park));
    assert_eq!(failure_of(child), (FailureKind::Leak, 1));
    let joins_itself = || {
        let (sender, receiver) = bounded(1);
        let child = go(move || {
            let handle: gorge::JoinHandle<()> = receiver.recv().expect("it is sent");
            handle.join().ok();
        });
        sender.send(child).expect("it listens");
        goroutine::park();
    };
    assert_eq!(failure_of(joins_itself), (FailureKind::Deadlock, 2));
}

#[test]
fn the_message_has_the_seed_the_steps_and_the_goroutines() {
    let message = message_of(|| {
        sim::run(77, || {
            let builder = goroutine::Builder::new().name("reader");
            let (_sender, receiver) = unbounded::<()>();
            let reader = builder.spawn(move || receiver.recv()).expect("a goroutine");
            reader.join().ok();
        });
    });
    for part in [
        "simulation failed: all goroutines are asleep - deadlock!",
        "seed 77,",
        "GORGE_SIM_SEED=77",
        "goroutine 1 starts goroutine 2 \"reader\" at crates/gorge/tests/sim_failures.rs:",
        "goroutine 2 \"reader\" waits [chan receive]",
        "goroutine 1 waits [join]",
        "goroutine 2 [chan receive] \"reader\":",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[test]
fn panics_carry_their_message_or_value_on() {
    let message = message_of(|| sim::run(1, || panic!("of the {}", "closure")));
    assert!(
        message.contains("goroutine 1 panicked: of the closure"),
        "{message}"
    );
    let number = payload_of(|| sim::run(1, || panic_any(42)));
    assert_eq!(number.downcast_ref(), Some(&42));
    let message = message_of(|| sim::check(10, || drop(go(|| panic!("of a child")))));
    assert!(
        message.contains("goroutine 2 panicked: of a child"),
        "{message}"
    );
}

#[test]
fn a_panic_fails_unless_somebody_hears_of_it() {
    let joined = || assert!(go(|| panic!("as planned")).join().is_err());
    (0..10).for_each(|seed| sim::run(seed, joined));
    let dropped_later = || {
        let child = go(|| panic!("as planned"));
        sim::settle();
        drop(child);
        // It would run for ever.
        loop {
            yield_now();
        }
    };
    assert_eq!(failure_of(dropped_later).0, FailureKind::Panic);
    let caught = || {
        let scope = || goroutine::scope(|scope| drop(scope.spawn(|| panic!("as planned"))));
        assert!(gorge::catch_panic(scope).is_err());
    };
    (0..10).for_each(|seed| sim::run(seed, caught));
    let scoped = || goroutine::scope(|scope| drop(scope.spawn(|| panic!("as planned"))));
    assert_eq!(failure_of(scoped).0, FailureKind::Panic);
}

#[test]
fn a_panic_whose_handle_nobody_has_asked_in_the_end_fails() {
    let fails = |seed, f: fn() -> Option<JoinHandle<()>>| {
        let failure = Config::new().try_run(seed, f).expect_err("it panicked");
        assert_eq!(failure.kind(), FailureKind::Panic);
        assert_eq!(failure.message(), "goroutine 2 panicked: unheard");
    };
    for seed in 0..20 {
        fails(seed, || Some(go(|| panic!("unheard"))));
        fails(seed, || {
            mem::forget(go(|| panic!("unheard")));
            None
        });
        fails(seed, || {
            goroutine::scope(|scope| mem::forget(scope.spawn(|| panic!("unheard"))));
            None
        });
        fails(seed, || {
            // It waits for one that is not there any more.
            let panics = go(|| panic!("unheard"));
            drop(go(goroutine::park));
            Some(panics)
        });
        let heard = sim::run(seed, || {
            assert!(go(|| panic!("heard")).join().is_err());
            assert!(block_on(go(|| panic!("heard"))).is_err());
            let ended = go(|| 42);
            sim::settle();
            ended
        });
        assert_eq!(heard.join().expect("it ended well"), 42);
    }
}

#[test]
fn what_has_no_end_fails() {
    let config = Config::new().max_steps_at_once(5000);
    for seed in 0..10 {
        // Two who are polite to each other.
        let failure = config
            .try_run(seed, || {
                let both = Arc::new((Mutex::new(()), Mutex::new(())));
                let polite = |both: Arc<(Mutex<()>, Mutex<()>)>| {
                    move || loop {
                        let _first = both.0.lock();
                        assert!(both.1.try_lock().is_some());
                        yield_now();
                    }
                };
                go(polite(both.clone()));
                polite(both)();
            })
            .expect_err("it has no end");
        assert_eq!(
            (failure.kind(), failure.step()),
            (FailureKind::StepLimit, 5000)
        );
        assert!(failure.message().contains("a livelock?"));
    }
    // Time passes, so it is none.
    config.run(1, || {
        (0..5000).for_each(|_| time::sleep(Duration::from_secs(1)))
    });
    let failure = config.max_steps(5000).try_run(1, || {
        (0..5000).for_each(|_| time::sleep(Duration::from_secs(1)));
    });
    assert_eq!(
        failure.expect_err("too many").kind(),
        FailureKind::StepLimit
    );
}

#[test]
fn what_can_unwind_is_unwound_and_the_rest_stays() {
    struct Counts(Arc<AtomicU32>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    for seed in 0..50 {
        let unwound = Arc::new(AtomicU32::new(0));
        let lent = Mutex::new(());
        let failure = Config::new().try_run(seed, || {
            let _main = Counts(unwound.clone());
            goroutine::scope(|scope| {
                scope.spawn(|| {
                    let _parked = Counts(unwound.clone());
                    goroutine::park();
                });
                scope.spawn(|| {
                    // No cancel ends this one, so its scope does not end, either.
                    let _locked = Counts(unwound.clone());
                    let _first = lent.lock();
                    let _second = lent.lock();
                });
            });
        });
        assert_eq!(
            failure.expect_err("a deadlock").kind(),
            FailureKind::Deadlock
        );
        assert_eq!(unwound.load(Relaxed), 1);
        // It is locked for good, and does no harm.
        assert!(lent.try_lock().is_none());
        assert!(lent.try_lock_for(Duration::from_millis(1)).is_none());
    }
}

/// Waits for ever when it is dropped.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        let (_sender, receiver) = bounded::<()>(0);
        _ = receiver.recv();
    }
}

#[test]
fn who_waits_in_its_results_destructor_is_left_over() {
    for seed in 0..20 {
        let result = Config::new().try_run(seed, || drop(go(|| Endless)));
        let failure = result.expect_err("somebody waits for ever");
        assert_eq!(failure.dump().goroutines().len(), 1, "{failure}");
    }
}

#[test]
fn the_value_of_a_panic_is_that_of_the_goroutine_that_the_message_names() {
    for seed in 0..20 {
        let result = Config::new().try_run(seed, || {
            let (sender, receiver) = bounded::<()>(0);
            drop(go(move || {
                let _receiver = receiver;
                panic!("first");
            }));
            if sender.send(()).is_err() {
                panic_any(42);
            }
        });
        let failure = result.expect_err("both panic");
        assert!(failure.message().contains("first"), "{failure}");
        assert!(
            failure.into_panic().is_none(),
            "the value is that of the second one"
        );
    }
}

#[test]
fn a_simulation_in_a_simulation_is_refused() {
    let refused = "a simulation inside of a simulation";
    let nested = || sim::run(1, || sim::run(2, || ()));
    assert!(message_of(nested).contains(refused));
    let nested = || sim::run(1, || blocking(|| sim::check(2, || ())));
    assert!(message_of(nested).contains(refused));
}

#[test]
fn simulations_run_beside_each_other_and_on_goroutines() {
    let digest = |seed| {
        let observed = Config::new().observe(seed, || {
            let children = [1, 2, 3].map(|n| go(move || n));
            children
                .into_iter()
                .map(|child| child.join().expect("it ends"))
                .sum::<i32>()
        });
        assert_eq!(observed.result.expect("it passes"), 6);
        observed.trace.digest()
    };
    let alone: Vec<_> = (0..20).map(digest).collect();
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let beside = runtime.run(|| {
        let all: Vec<_> = (0..20).map(|seed| go(move || digest(seed))).collect();
        all.into_iter()
            .map(|it| it.join().expect("it passes"))
            .collect::<Vec<_>>()
    });
    assert_eq!(alone, beside);
}

#[test]
fn another_runtime_is_not_waited_for() {
    let message = message_of(|| sim::run(1, || gorge::run(|| 1)).clone_into(&mut 0));
    assert!(
        message.contains("Runtime::run inside of a simulation"),
        "{message}"
    );
}

#[test]
fn descriptors_are_refused() {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let outside = Pollable::new(&near).expect("it is pollable");
    sim::run(1, || {
        let refused = Pollable::new(&far).expect_err("it is refused");
        assert_eq!(PollError::of(refused.error()), Some(PollError::Simulated));
        assert!(
            refused
                .to_string()
                .contains("a simulation cannot wait for a descriptor")
        );
        let read = outside.io(Direction::Read, None, |near| (&**near).read(&mut [0]));
        let refused = read.expect_err("there is nothing");
        assert_eq!(PollError::of(&refused), Some(PollError::Simulated));
    });
}

#[test]
fn the_trace_says_what_was_done() {
    let observed = Config::new().forced_yields(false).observe(2, || {
        let mutex = Arc::new(Mutex::new(0));
        let (sender, receiver) = bounded(0);
        let child = go({
            let mutex = mutex.clone();
            move || {
                *mutex.lock() += 1;
                sender.send(()).expect("somebody listens");
            }
        });
        select! { recv(receiver) -> it => it.expect("it is sent") }
        time::sleep(Duration::from_secs(1));
        drop(mutex.try_lock());
        child.join().expect("it ends");
    });
    let operations: Vec<_> = observed
        .trace
        .steps()
        .filter_map(|step| match step.action {
            Action::At(operation) => Some((step.goroutine.as_u64(), operation)),
            _ => None,
        })
        .collect();
    let of = |id| {
        let own = operations.iter().filter(move |it| it.0 == id);
        own.map(|it| it.1).collect::<Vec<_>>()
    };
    assert_eq!(
        of(1),
        [
            "go on after the start",
            "receive",
            "sleep",
            "try to lock",
            "unlock",
            "join",
            "close"
        ]
    );
    assert_eq!(of(2), ["lock", "unlock", "send", "close"]);
    assert!(
        observed
            .trace
            .to_string()
            .contains("the scheduler sets the clock to 1s")
    );
}
