//! What becomes of a failure: the text that says which goroutine failed and why, and
//! payloads on their way from one goroutine to another.

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/marks.rs"]
mod marks;

use child::{Child, case};
use common::{in_each_placement, wait_for};
use gorge_runtime::{
    JoinError, PanicPolicy, Runtime, cancel, catch_panic, go, goroutine, scope, yield_now,
};
use marks::{Counted, Mark};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// The error of a goroutine with this name, or none.
fn error_of(name: Option<&str>, body: impl FnOnce() + Send + 'static) -> JoinError {
    let builder = match name {
        Some(name) => goroutine::Builder::new().name(name),
        None => goroutine::Builder::new(),
    };
    let handle = builder.spawn(body).expect("spawned");
    handle.join().expect_err("it fails")
}

#[test]
fn a_failure_names_the_goroutine_and_says_why() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            let error = error_of(Some("parser"), || panic!("at byte {}", 7));
            let id = error.id();
            assert_eq!(
                error.to_string(),
                format!("goroutine {id} \"parser\" panicked: at byte 7")
            );
            assert_eq!(error.name(), Some("parser"));
            assert_eq!(format!("{error:?}"), format!("JoinError({error})"));
            assert!(error.source().is_none());

            let error = error_of(None, || panic!("plain"));
            let id = error.id();
            assert_eq!(error.to_string(), format!("goroutine {id} panicked: plain"));
            assert_eq!(error.name(), None);

            let error = error_of(None, || panic_any(7u8));
            assert!(
                error
                    .to_string()
                    .ends_with("panicked: a value that is not a string")
            );

            let parked = go(|| goroutine::park_forever());
            parked.cancel();
            let error = parked.join().expect_err("cancelled");
            let id = error.id();
            assert_eq!(error.to_string(), format!("goroutine {id} was cancelled"));
            assert!(error.is_cancelled() && !error.is_panic() && !error.is_not_started());
            let misuse = catch_unwind(AssertUnwindSafe(|| error.into_panic()));
            let text = misuse.expect_err("it is not a panic");
            let text = text.downcast_ref::<String>().expect("a text");
            assert!(
                text.contains("is not a panic") && text.contains("was cancelled"),
                "{text}"
            );

            let huge = goroutine::Builder::new().stack_reserve(1 << 46);
            let error = huge
                .spawn(|| ())
                .expect("spawned")
                .join()
                .expect_err("no stack");
            assert!(
                error.is_not_started() && error.source().is_some(),
                "{error}"
            );
        });
    });
}

/// A payload that nobody knows, and that counts its drops.
struct Payload(
    #[allow(dead_code, reason = "its drop is what counts")] Counted,
    u32,
);

#[test]
fn a_payload_goes_from_goroutine_to_goroutine_and_is_dropped_once() {
    in_each_placement(2, |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(drops.clone());
        let joined = runtime.go(move || {
            let child = go(move || panic_any(Payload(counted, 7)));
            let error = child.join().expect_err("it panics");
            let payload = error.into_panic();
            yield_now();
            scope(|s| {
                let again = s.spawn(move || resume_unwind(payload));
                resume_unwind(again.join().expect_err("it panics").into_panic())
            })
        });
        let result: Result<(), _> = joined.join();
        let payload = result.expect_err("it panics").into_panic();
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        assert_eq!(payload.downcast_ref::<Payload>().map(|it| it.1), Some(7));
        drop(payload);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_payload_of_a_detached_goroutine_is_dropped_once() {
    in_each_placement(2, |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(drops.clone());
        drop(runtime.go(move || panic_any(Payload(counted, 7))));
        wait_for(|| drops.load(Ordering::SeqCst) == 1);
        wait_for(|| runtime.num_goroutines() == 0);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn catch_unwind_gets_a_cancel_at_every_point_and_what_it_resumes_is_one() {
    in_each_placement(2, |runtime| {
        let (told, started) = (Arc::new(AtomicUsize::new(0)), Mark::default());
        let (counts, starts) = (told.clone(), started.clone());
        let handle = runtime.go(move || {
            starts.set();
            let points: [fn(); 4] = [
                || goroutine::park(),
                || goroutine::park_forever(),
                || scope(|_| ()),
                || gorge_runtime::blocking(|| ()),
            ];
            for point in points {
                let caught = catch_unwind(point).expect_err("told again");
                assert!(cancel::is_cancel(&*caught));
                counts.fetch_add(1, Ordering::SeqCst);
            }
            let passed = catch_unwind(|| catch_panic(|| goroutine::park_forever()));
            counts.fetch_add(1, Ordering::SeqCst);
            match passed {
                Ok(_) => unreachable!("catch_panic lets it through"),
                Err(payload) => resume_unwind(payload),
            }
        });
        wait_for(|| started.is_set());
        handle.cancel();
        let result: Result<(), _> = handle.join();
        assert!(result.expect_err("cancelled").is_cancelled());
        assert_eq!(told.load(Ordering::SeqCst), 5);
    });
}

/// Its destructor panics.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("in a result");
    }
}

/// Its wake panics.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Some(case) = case() else { return };
    let builder = Runtime::builder()
        .max_procs(1)
        .panic_policy(PanicPolicy::Abort);
    let runtime = builder.build().expect("a runtime");
    let may_end = Mark::default();
    let waits = may_end.clone();
    runtime.run(|| match &*case {
        // Had the goroutine ended before, this one would drop the result.
        "result" => {
            drop(go(move || {
                wait_for(|| waits.is_set());
                Explosive
            }));
            may_end.set();
            goroutine::sleep(Duration::from_secs(10));
        }
        "waker" => {
            let mut handle = go(move || wait_for(|| waits.is_set()));
            let waker = Waker::from(Arc::new(Bomb));
            let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            may_end.set();
            goroutine::sleep(Duration::from_secs(10));
        }
        _ => unreachable!("cases are named above"),
    });
    println!("main goes on");
}

#[test]
fn under_abort_a_panic_at_a_goroutines_end_ends_the_process_too() {
    for case in ["result", "waker"] {
        let text = format!("in a {case}");
        let goes_on = format!("panic: {text}\n\ngoroutine 2 [running]:\n");
        Child::new(case).end().expect(2, &[&text, &goes_on]);
    }
}
