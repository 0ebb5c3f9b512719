//! Where goroutines run: pinned, child first, weighted; and where they must not
//! park.

#![allow(clippy::disallowed_types, reason = "a lock that is held for a moment")]
#![allow(
    clippy::disallowed_methods,
    reason = "blocking threads is part of this"
)]

mod common;
#[cfg(not(any(gorge_tsan, gorge_asan)))]
#[path = "common/latch.rs"]
mod latch;

use common::{Setting, in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{Runtime, blocking, go, goroutine, scope, time, yield_now};
#[cfg(not(any(gorge_tsan, gorge_asan)))]
use latch::latch;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[test]
fn a_pinned_goroutine_has_its_thread_to_itself_and_comes_back() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let name = goroutine::Builder::new().name("pinned").spawn(|| {
                let before = thread::current().id();
                let id = goroutine::current().id();
                let threads = goroutine::pin(|| {
                    assert_eq!(goroutine::current().id(), id, "the same goroutine");
                    let own = thread::current().id();
                    // Parks, and wakes up on the same thread.
                    for _ in 0..10 {
                        yield_now();
                        time::sleep(Duration::from_micros(50));
                        let elsewhere = go(|| thread::current().id()).join().expect("it ran");
                        assert_ne!(elsewhere, own, "nobody else runs there");
                        assert_eq!(thread::current().id(), own);
                    }
                    // Nested, it stays where it is.
                    assert_eq!(goroutine::pin(|| thread::current().id()), own);
                    blocking(|| thread::sleep(Duration::from_micros(10)));
                    own
                });
                assert_ne!(threads, before);
                goroutine::current().name().map(str::to_owned)
            });
            let name = name.expect("spawned").join().expect("it ran");
            assert_eq!(name.as_deref(), Some("pinned"));
        });
        wait_for(|| runtime.metrics().threads <= runtime.max_procs() + 1);
    });
}

#[test]
fn a_pinned_closure_may_borrow_panic_and_be_cancelled() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            let words = [1, 2, 3];
            assert_eq!(goroutine::pin(|| words.iter().sum::<i32>()), 6);
            let panicking = go(|| goroutine::pin(|| panic!("inside")));
            let error = panicking.join().expect_err("it panicked");
            assert!(error.to_string().contains("inside"), "{error}");
            let dropped = Arc::new(AtomicUsize::new(0));
            let counted = Counted(dropped.clone());
            let inside = Arc::new(AtomicBool::new(false));
            let signal = inside.clone();
            let endless = go(move || {
                goroutine::pin(move || {
                    let _counted = counted;
                    signal.store(true, Ordering::SeqCst);
                    goroutine::park_forever()
                })
            });
            wait_for(|| inside.load(Ordering::SeqCst));
            endless.cancel();
            let end = endless.join().map(|never: std::convert::Infallible| never);
            assert!(end.is_err_and(|error| error.is_cancelled()));
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        });
    });
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_pinned_goroutine_that_yields_lets_others_have_the_only_permit() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let seen = Arc::new(AtomicUsize::new(0));
            let (ours, theirs) = (seen.clone(), seen);
            goroutine::pin(move || {
                let other = go(move || theirs.store(1, Ordering::Relaxed));
                wait_for(|| ours.load(Ordering::Relaxed) == 1);
                drop(other);
            });
        });
    });
}

#[test]
fn many_pinned_goroutines_meet() {
    in_each_placement(2, |runtime| {
        let met = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            scope(|s| {
                for _ in 0..20 {
                    s.spawn(|| {
                        goroutine::pin(|| {
                            met.fetch_add(1, Ordering::SeqCst);
                            while met.load(Ordering::SeqCst) < 20 {
                                thread::sleep(Duration::from_micros(100));
                            }
                        });
                    });
                }
            });
        });
        wait_for(|| runtime.metrics().threads <= runtime.max_procs() + 2);
    });
}

#[test]
fn a_runtime_ends_with_goroutines_pinned() {
    in_each_placement(2, |runtime| {
        let inside = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let inside = inside.clone();
            drop(runtime.go(move || {
                goroutine::pin(|| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    goroutine::park_forever()
                })
            }));
        }
        wait_for(|| inside.load(Ordering::SeqCst) == 5);
    });
}

#[test]
fn a_park_where_it_is_forbidden_panics_and_undoes_itself() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let child = go(|| goroutine::park_forever());
            let cases: [fn(&gorge_runtime::JoinHandle<std::convert::Infallible>); 5] = [
                |_| yield_now(),
                |_| time::sleep(Duration::from_secs(1)),
                |_| goroutine::park_timeout(Duration::from_secs(1)),
                |_| blocking(|| ()),
                |_| scope(|_| ()),
            ];
            for case in cases {
                let child = &child;
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    goroutine::no_park(|| case(child));
                }));
                let message = *caught
                    .expect_err("refused")
                    .downcast::<&str>()
                    .expect("text");
                assert!(message.contains("no_park"), "{message}");
            }
            // What need not wait works, and afterwards everything does.
            goroutine::no_park(|| drop(go(|| ())));
            yield_now();
            child.cancel();
            assert!(child.join().is_err());
        });
    });
}

#[test]
fn a_cancel_waits_for_the_end_of_a_section_without_parks() {
    in_each_placement(2, |runtime| {
        let (begun, go_on) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (signal, gate, after) = (
            begun.clone(),
            go_on.clone(),
            Arc::new(AtomicBool::new(false)),
        );
        let reached = after.clone();
        let handle = runtime.go(move || {
            goroutine::no_park(|| {
                signal.store(true, Ordering::SeqCst);
                while !gate.load(Ordering::SeqCst) {
                    gorge_runtime::checkpoint();
                    std::hint::spin_loop();
                }
            });
            reached.store(true, Ordering::SeqCst);
            yield_now();
        });
        wait_for(|| begun.load(Ordering::SeqCst));
        handle.cancel();
        go_on.store(true, Ordering::SeqCst);
        assert!(handle.join().is_err_and(|error| error.is_cancelled()));
        assert!(after.load(Ordering::SeqCst));
    });
}

fn child_first() -> goroutine::Builder {
    goroutine::Builder::new().child_first(true)
}

/// What `body` gives in each placement, on one processor, with time slices that do not
/// end: the order is the scheduler's alone. Not where the system kept the thread from
/// running meanwhile, and another one took over.
fn undisturbed<T>(body: impl Fn(&Runtime) -> T) -> [T; 2] {
    [false, true].map(|migrating| {
        let setting = Setting {
            migrating,
            procs: 1,
        };
        loop {
            let runtime = setting.runtime_with(|it| it.time_slice(Duration::from_secs(3600)));
            let result = body(&runtime);
            if runtime.metrics().blocked_unannounced == 0 {
                return result;
            }
        }
    })
}

#[test]
fn a_parent_goes_on_when_its_child_waits_or_ends() {
    let orders = undisturbed(|runtime| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let log = log.clone();
            move || log.lock().expect("not poisoned").push(what)
        };
        let (first, second, parent, third) = (
            note("child"),
            note("child again"),
            note("parent"),
            note("other"),
        );
        runtime.run(move || {
            let other = go(third);
            let child = child_first().spawn(move || {
                first();
                yield_now();
                second();
            });
            parent();
            child.expect("spawned").join().expect("it ran");
            other.join().expect("it ran");
        });
        log.lock().expect("not poisoned").clone()
    });
    for order in orders {
        assert_eq!(order[..2], ["child", "parent"]);
        assert_eq!(order.len(), 4);
    }
}

#[test]
fn the_latest_spawned_runs_first() {
    let orders = undisturbed(|runtime| {
        let log = Arc::new(Mutex::new(Vec::new()));
        runtime.run(|| {
            let all: Vec<_> = (0..5)
                .map(|i| {
                    let log = log.clone();
                    go(move || log.lock().expect("not poisoned").push(i))
                })
                .collect();
            all.into_iter().for_each(|it| it.join().expect("it ran"));
        });
        log.lock().expect("not poisoned").clone()
    });
    assert_eq!(orders, [[4, 3, 2, 1, 0], [4, 3, 2, 1, 0]]);
}

#[test]
fn weighted_goroutines_all_run() {
    in_each_setting(|runtime| {
        let ran = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            let all: Vec<_> = (0..200)
                .map(|i| {
                    let ran = ran.clone();
                    let builder = goroutine::Builder::new().weight(1 + i % 7);
                    let body = move || {
                        yield_now();
                        ran.fetch_add(1, Ordering::SeqCst);
                    };
                    builder.spawn(body).expect("spawned")
                })
                .collect();
            all.into_iter().for_each(|it| it.join().expect("it ran"));
        });
        assert_eq!(ran.load(Ordering::SeqCst), 200);
    });
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_weight_of_zero_is_refused() {
    drop(goroutine::Builder::new().weight(0));
}

#[test]
fn a_thread_limit_that_is_too_low_ends_the_process_with_advice() {
    const CASE: &str = "GORGE_PLACEMENT_CASE";
    if std::env::var(CASE).is_ok() {
        let runtime = Runtime::builder()
            .max_procs(1)
            .max_threads(1)
            .build()
            .expect("a runtime");
        runtime.run(|| {
            for _ in 0..100 {
                go(|| {
                    loop {
                        thread::sleep(Duration::from_secs(3600));
                    }
                });
            }
            goroutine::park_forever()
        });
    }
    let child = || {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args([
            "--exact",
            "a_thread_limit_that_is_too_low_ends_the_process_with_advice",
        ]);
        child.arg("--nocapture").env(CASE, "1");
        child
    };
    let output = child().output().expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("limit of 9 threads"), "{errors}");
    assert!(
        errors.contains("fatal error: thread exhaustion"),
        "{errors}"
    );
    assert!(errors.contains("max_threads"), "{errors}");
    // Also when nobody listens.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = child().stderr(writer).stdout(Stdio::null()).status();
    assert_eq!(status.expect("it starts").code(), Some(2));
}

#[test]
fn more_processors_than_threads_were_allowed_get_threads() {
    const PROCS: usize = 24;
    let runtime = Runtime::builder()
        .max_procs(1)
        .max_threads(1)
        .build()
        .expect("a runtime");
    runtime.set_max_procs(PROCS);
    let meeting = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..PROCS)
        .map(|_| {
            let meeting = meeting.clone();
            runtime.go(move || {
                meeting.fetch_add(1, Ordering::Relaxed);
                while meeting.load(Ordering::Relaxed) < PROCS {
                    thread::yield_now();
                }
            })
        })
        .collect();
    all.into_iter()
        .for_each(|it| it.join().expect("it met all"));
}

// A sanitizer needs memory where the others need none.
#[cfg(not(any(gorge_tsan, gorge_asan)))]
#[test]
fn work_that_no_thread_could_be_started_for_runs_when_one_can() {
    if !is_child("work_that_no_thread_could_be_started_for_runs_when_one_can") {
        return;
    }
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    let (release, blocked) = latch();
    let blocking = runtime.go(move || blocked.wait());
    wait_for(|| runtime.metrics().blocked_unannounced == 1);
    let former = leave_no_room_for_a_thread();
    let waiting = runtime.go(|| 1);
    thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    limit_address_space(former);
    assert_eq!(waiting.join().expect("it ran"), 1);
    drop(release);
    blocking.join().expect("it was let go");
}

#[cfg(not(any(gorge_tsan, gorge_asan)))]
#[test]
fn a_closure_that_no_thread_could_be_started_for_runs_as_on_a_thread() {
    if !is_child("a_closure_that_no_thread_could_be_started_for_runs_as_on_a_thread") {
        return;
    }
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    let inside = runtime.run(|| {
        let before = thread::current().id();
        let former = leave_no_room_for_a_thread();
        let inside = blocking(|| (goroutine::current().id(), thread::current().id()));
        limit_address_space(former);
        assert_eq!(inside.1, before, "there is no other thread");
        inside.0
    });
    assert_eq!(inside.as_u64(), 0, "inside there is no goroutine");
}

/// Whether this is the process for this test alone; if not, runs it.
#[cfg(not(any(gorge_tsan, gorge_asan)))]
fn is_child(test: &str) -> bool {
    const CASE: &str = "GORGE_PLACEMENT_REFUSED";
    if std::env::var(CASE).is_ok() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test])
        .env(CASE, "1")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
    false
}

/// Leaves the process memory for small things, but not for a thread's stack. Returns
/// the former limit.
#[cfg(not(any(gorge_tsan, gorge_asan)))]
fn leave_no_room_for_a_thread() -> libc::rlim_t {
    const LITTLE: libc::rlim_t = 1 << 20;
    let pages = std::fs::read_to_string("/proc/self/statm").expect("it is there");
    let pages: libc::rlim_t = pages
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    limit_address_space(pages * 4096 + LITTLE)
}

/// Limits what memory the process may have. Returns the former limit.
#[cfg(not(any(gorge_tsan, gorge_asan)))]
fn limit_address_space(bytes: libc::rlim_t) -> libc::rlim_t {
    // SAFETY: a limit is plain numbers, and the pointers are valid for the calls.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut limit), 0);
        let former = std::mem::replace(&mut limit.rlim_cur, bytes);
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
        former
    }
}
