//! What panics print, what they end, and who else notices.

#[path = "common/child.rs"]
mod child;
mod common;

use child::{Child, case};
use common::in_each_placement;
use gorge_runtime::{
    JoinHandle, PanicPolicy, Runtime, catch_panic, go, goroutine, scope, time, yield_now,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Some(case) = case() else { return };
    if case == "waiting hook" {
        return waiting_hook();
    }
    let (policy, case) = match case.split_once(' ') {
        Some(("abort", case)) => (PanicPolicy::Abort, case),
        _ => (PanicPolicy::Report, &*case),
    };
    let builder = Runtime::builder().max_procs(1).panic_policy(policy);
    let runtime = builder.build().expect("a runtime");
    match case {
        "detached" => detached(&runtime, || panic!("as it must")),
        "resumed" => detached(&runtime, || resume_unwind(Box::new("from elsewhere"))),
        "joined" => {
            let joined = runtime.go(|| panic!("and joined")).join();
            println!("{}", joined.expect_err("it panics"));
        }
        "main" => runtime.run(|| panic!("main itself")),
        "no stack" => no_stack(&runtime),
        "payload" => runtime.run(|| {
            go(|| std::panic::panic_any(Explosive))
                .join()
                .map_or((), drop)
        }),
        "cleanup" => runtime.run(|| {
            let _bomb = OnDrop(|| panic!("second"));
            panic!("first");
        }),
        "swallowed" => swallowed(runtime),
        _ => unreachable!("cases are named above"),
    }
}

/// Starts a named goroutine beside another one, and waits until it is gone.
fn detached(runtime: &Runtime, f: impl FnOnce() + Send + 'static) {
    runtime.run(|| {
        let _bystander = goroutine::Builder::new()
            .name("bystander")
            .spawn(|| goroutine::park_forever())
            .expect("spawned");
        yield_now();
        let before = gorge_runtime::num_goroutines();
        let builder = goroutine::Builder::new().name("unlucky");
        drop(builder.spawn(f).expect("spawned"));
        while gorge_runtime::num_goroutines() > before {
            yield_now();
        }
    });
    println!("main goes on");
}

/// A reserve that no address space has.
fn no_stack(runtime: &Runtime) {
    runtime.run(|| {
        let before = gorge_runtime::num_goroutines();
        let builder = goroutine::Builder::new().stack_reserve(1 << 46);
        drop(builder.spawn(|| {}).expect("spawned"));
        while gorge_runtime::num_goroutines() > before {
            yield_now();
        }
    });
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("the payload's own");
    }
}

/// Calls its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Catches its cancel whenever it gets it.
fn swallowed(runtime: Runtime) {
    let builder = goroutine::Builder::new().name("deaf");
    let deaf = runtime.run(|| {
        let deaf = builder.spawn(|| {
            loop {
                drop(catch_unwind(yield_now));
            }
        });
        let deaf = deaf.expect("spawned");
        // It starts: one that is cancelled before does not.
        yield_now();
        yield_now();
        deaf.cancel();
        deaf
    });
    let is_parked = || {
        let dump = runtime.dump();
        let mut others = dump.goroutines().iter();
        others.any(|other| other.state.is_waiting())
    };
    while !is_parked() {
        yield_now();
    }
    // Its shutdown would wait for a goroutine that does not end.
    std::mem::forget((deaf, runtime));
}

/// A hook that was there first and waits: for a sibling of the goroutine that
/// panics, which another thread must run.
fn waiting_hook() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let handle: Arc<parking_lot::Mutex<Option<JoinHandle<()>>>> = Arc::default();
    let taken = handle.clone();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("hook of {:?}: {info}", goroutine::current().name());
        let joined = taken.lock().take().expect("once").join();
        eprintln!("the sibling ended: {}", joined.is_ok());
    }));
    // Built now: a runtime puts its own hook in front of the one that is there.
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    runtime.run(|| {
        let sibling = go(|| {
            while !TOLD.load(Ordering::Relaxed) {
                yield_now();
            }
        });
        *handle.lock() = Some(sibling);
        let builder = goroutine::Builder::new().name("unlucky");
        let unlucky = builder
            .spawn(|| {
                TOLD.store(true, Ordering::Relaxed);
                panic!("with a hook that waits");
            })
            .expect("spawned");
        assert!(unlucky.join().is_err());
    });
}

#[test]
fn a_detached_panic_is_printed_once_and_the_others_go_on() {
    let ended = Child::new("detached").end();
    ended.expect(
        0,
        &[
            "goroutine ",
            " \"unlucky\" (started at ",
            ") panics:",
            "panicked at",
            "as it must",
        ],
    );
    assert_eq!(ended.count("as it must"), 1, "{}", ended.stderr);
}

#[test]
fn a_detached_panic_that_no_hook_saw_is_printed_all_the_same() {
    let ended = Child::new("resumed").end();
    ended.expect(0, &["\"unlucky\"", "panicked: from elsewhere"]);
}

#[test]
fn a_joined_panic_is_printed_once() {
    let ended = Child::new("joined").end();
    ended.expect(0, &["panics:", "and joined"]);
    assert_eq!(ended.count("and joined"), 1, "{}", ended.stderr);
}

#[test]
fn under_abort_a_panic_ends_the_process_with_a_dump_of_all() {
    for case in ["abort detached", "abort resumed"] {
        let ended = Child::new(case).end();
        ended.expect(
            2,
            &["panic: ", "\n\ngoroutine ", "[running]", "\"unlucky\""],
        );
        assert!(
            ended.stderr.contains("[select (no cases)] \"bystander\""),
            "{}",
            ended.stderr
        );
        assert!(!String::from_utf8_lossy(&ended.output.stdout).contains("main goes on"));
    }
    Child::new("abort main")
        .end()
        .expect(2, &["main itself", "panic: main itself"]);
}

#[test]
fn a_goroutine_without_a_stack_is_reported_by_the_policy() {
    Child::new("no stack")
        .end()
        .expect(0, &["gorge: goroutine", "was not started: "]);
    Child::new("abort no stack")
        .end()
        .expect(2, &["fatal error: ", "was not started: "]);
}

#[test]
fn a_payload_whose_drop_panics_ends_nothing_but_its_owner() {
    // It is dropped by main, whose panic it becomes.
    Child::new("payload")
        .end()
        .expect(101, &["panicked at", "the payload's own"]);
}

#[test]
fn a_second_panic_while_one_unwinds_aborts_with_both_messages() {
    let ended = Child::new("cleanup").end();
    assert_eq!(ended.output.status.code(), None, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("first") && ended.stderr.contains("second"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_hook_may_wait_and_knows_the_goroutine() {
    let parts = [
        "\"unlucky\"",
        "hook of Some(\"unlucky\")",
        "with a hook that waits",
        "ended: true",
    ];
    Child::new("waiting hook").end().expect(0, &parts);
}

#[test]
fn a_goroutine_that_catches_its_cancel_for_ever_is_parked_and_named() {
    let ended = Child::new("swallowed").end();
    ended.expect(
        0,
        &["\"deaf\"", "caught its cancel 32 times", "catch_panic"],
    );
    assert_eq!(ended.count("parked for good"), 1);
}

/// A goroutine that repeats this until it is cancelled.
fn forever(step: fn()) -> JoinHandle<()> {
    go(move || {
        loop {
            step();
        }
    })
}

/// A goroutine that is parked in the middle of its panic until it is told.
fn park_mid_panic(go_on: Arc<AtomicBool>, is_there: Arc<AtomicBool>) -> JoinHandle<()> {
    go(move || {
        let _waits = OnDrop(move || {
            is_there.store(true, Ordering::Release);
            let thread = thread::current().id();
            while !go_on.load(Ordering::Acquire) {
                goroutine::park();
            }
            assert_eq!(thread::current().id(), thread, "pinned while it panics");
            assert!(thread::panicking());
        });
        resume_unwind(Box::new("half-way"));
    })
}

#[test]
fn a_cancel_reaches_the_sibling_of_a_goroutine_that_waits_while_it_panics() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let (go_on, is_there) = (Arc::new(AtomicBool::new(false)), Arc::default());
            // std counts its panic before it parks; here the hook saw it, too.
            let panicking = park_mid_panic(go_on.clone(), Arc::clone(&is_there));
            let siblings = [forever(goroutine::park), forever(yield_now)];
            while !is_there.load(Ordering::Acquire) {
                yield_now();
            }
            for sibling in siblings {
                sibling.cancel();
                assert!(sibling.join().expect_err("cancelled").is_cancelled());
            }
            let caught = catch_panic(|| panic!("a sibling's own, caught"));
            assert!(caught.is_err());
            let child = go(|| panic!("a sibling's own"));
            assert!(child.join().expect_err("it panics").is_panic());
            go_on.store(true, Ordering::Release);
            panicking.goroutine().unpark();
            let error = panicking.join().expect_err("it panicked");
            assert!(error.to_string().contains("half-way"), "{error}");
            assert!(!thread::panicking());
        });
    });
}

#[test]
fn a_cancel_waits_until_a_destructor_that_runs_in_an_unwinding_is_done() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            let steps = Arc::new(AtomicUsize::new(0));
            let seen = steps.clone();
            let worker = go(move || {
                let _slow = OnDrop(move || {
                    for _ in 0..10 {
                        time::sleep(Duration::from_millis(1));
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
                goroutine::park_forever();
            });
            worker.cancel();
            while steps.load(Ordering::Relaxed) == 0 && !worker.is_finished() {
                yield_now();
            }
            worker.cancel();
            let started = steps.load(Ordering::Relaxed) > 0;
            assert!(worker.join().expect_err("cancelled").is_cancelled());
            assert_eq!(steps.load(Ordering::Relaxed), if started { 10 } else { 0 });
        });
    });
}

#[test]
fn a_pinned_closure_called_while_panicking_comes_back() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let ran = Arc::new(AtomicUsize::new(0));
            let counted = ran.clone();
            let child = go(move || {
                let _pins = OnDrop(move || {
                    let inner = goroutine::pin(|| {
                        assert!(!thread::panicking(), "this thread does not");
                        yield_now();
                        catch_unwind(|| panic!("on the own thread")).is_err()
                    });
                    assert!(inner && thread::panicking());
                    yield_now();
                    counted.fetch_add(1, Ordering::Relaxed);
                });
                panic!("outside");
            });
            assert!(child.join().expect_err("it panics").is_panic());
            assert_eq!(ran.load(Ordering::Relaxed), 1);
            let sibling = forever(goroutine::park);
            yield_now();
            sibling.cancel();
            assert!(sibling.join().expect_err("cancelled").is_cancelled());
        });
    });
}

#[test]
fn a_destructor_that_panics_takes_the_place_of_a_cancel_before_the_start() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let bomb = OnDrop(|| panic!("on the way out"));
            let child = go(move || drop(bomb));
            child.cancel();
            let error = child.join().expect_err("it never ran");
            assert!(error.to_string().contains("on the way out"), "{error}");
        });
    });
}

#[test]
fn catch_panic_catches_panics_and_lets_cancels_through() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let caught = Arc::new(AtomicUsize::new(0));
            let counted = caught.clone();
            let server = go(move || {
                loop {
                    let result = catch_panic(AssertUnwindSafe(|| {
                        yield_now();
                        panic!("a bad request");
                    }));
                    let payload = result.expect_err("it panics");
                    assert_eq!(payload.downcast_ref(), Some(&"a bad request"));
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            while caught.load(Ordering::Relaxed) < 3 {
                yield_now();
            }
            server.cancel();
            assert!(server.join().expect_err("cancelled").is_cancelled());
        });
    });
    assert!(
        catch_panic(|| 7).is_ok_and(|seven| seven == 7),
        "on a plain thread, too"
    );
}

#[test]
fn a_shield_keeps_a_cancel_back_until_it_ends() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let steps = Arc::new(AtomicUsize::new(0));
            let started = Arc::new(AtomicBool::new(false));
            let (counted, starts) = (steps.clone(), started.clone());
            let worker = go(move || {
                let step = || {
                    starts.store(true, Ordering::Release);
                    time::sleep(Duration::from_millis(1));
                    yield_now();
                    gorge_runtime::checkpoint();
                    scope(|s| drop(s.spawn(|| ())));
                    counted.fetch_add(1, Ordering::Relaxed);
                };
                gorge_runtime::shield(|| {
                    step();
                    gorge_runtime::shield(step);
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        gorge_runtime::shield(|| panic!("inside"));
                    }));
                    assert!(panicked.is_err());
                    step();
                });
                counted.fetch_add(100, Ordering::Relaxed);
                gorge_runtime::checkpoint();
                unreachable!("the first point after the shield delivers it");
            });
            while !started.load(Ordering::Acquire) {
                yield_now();
            }
            worker.cancel();
            assert!(worker.join().expect_err("cancelled").is_cancelled());
            assert_eq!(steps.load(Ordering::Relaxed), 103);
        });
    });
}

#[test]
fn the_level_of_traceback_says_whose_calls_a_panic_prints() {
    // The frame of the closure that panics, and that of another goroutine.
    let others = "park_forever";
    // A call's file and line; where a goroutine was started has a column, too.
    let is_own = |line: &str| {
        let place = line.strip_prefix('\t').and_then(|it| it.rsplit_once(':'));
        place.is_some_and(|(file, _)| file.ends_with("tests/panics.rs"))
    };
    let cases = [
        ("detached", None, false, false),
        ("detached", Some("none"), false, false),
        ("detached", Some("single"), true, false),
        ("detached", Some("all"), true, true),
        ("abort detached", None, true, true),
        ("abort detached", Some("none"), false, false),
        ("abort detached", Some("single"), true, false),
        ("abort detached", Some("all"), true, true),
        ("abort resumed", Some("single"), false, false),
    ];
    for (case, level, has_own, has_others) in cases {
        let child = Child::new(case);
        let child = match level {
            Some(level) => child.env("GORGE_TRACEBACK", level),
            None => child,
        };
        let ended = child.end();
        ended.expect(if case.starts_with("abort") { 2 } else { 0 }, &["panic"]);
        let text = &ended.stderr;
        let shown = (text.lines().any(is_own), text.contains(others));
        assert_eq!(shown, (has_own, has_others), "{case} {level:?}: {text}");
    }
}

#[test]
fn a_level_that_does_not_exist_is_told_of_once() {
    let ended = Child::new("detached").env("GORGE_TRACEBACK", "loud").end();
    ended.expect(
        0,
        &[
            "GORGE_TRACEBACK is \"loud\"",
            "none, single or all",
            "as it must",
        ],
    );
    assert_eq!(ended.count("GORGE_TRACEBACK"), 1, "{}", ended.stderr);
}
