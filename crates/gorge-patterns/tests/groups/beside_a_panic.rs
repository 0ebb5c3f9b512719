//! While another goroutine of the same thread waits in the middle of its panic, of which std
//! knows only that the thread panics: panics that are handed on, and drops.

use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, Sender, bounded};
use gorge_patterns::{CircuitBreaker, Group, Memo, SingleFlight, WorkerPool};
use gorge_runtime::cancel::resume_panic;
use gorge_runtime::{Runtime, catch_panic, go, sim};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Waits when it is dropped, and says so.
struct Slow {
    begins: Sender<()>,
    gate: Receiver<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.begins.send(()).expect("somebody waits for it");
        assert!(self.gate.recv().is_err(), "it is opened");
    }
}

/// One, what says that its drop has begun, and what lets it end.
fn slow() -> (Slow, Receiver<()>, Sender<()>) {
    let ((begins, begun), (open, gate)) = (bounded(1), bounded(0));
    (Slow { begins, gate }, begun, open)
}

fn quiet_panic() -> ! {
    resume_unwind(Box::new("a panic that the test wants"))
}

/// Runs `body` while a panic is under way on its thread, simulated and not.
fn beside_a_panic(body: impl Fn() + Send + Sync) {
    let body = || {
        let (waits, begun, open) = slow();
        let sibling = go(move || {
            let _waits = waits;
            resume_panic(Box::new("a panic that the test wants"));
        });
        begun.recv().expect("it panics");
        body();
        drop(open);
        assert!(sibling.join().expect_err("it panicked").is_panic());
    };
    sim::check(20, body);
    let runtime = Runtime::builder().max_procs(1).build();
    runtime.expect("a runtime").run(body);
}

/// What hands a panic on.
type HandsOn = fn(&Context);

#[test]
fn a_cancel_meets_no_destructor_of_what_a_panic_that_is_handed_on_unwinds() {
    let all: [HandsOn; 4] = [
        |ctx| {
            let group = Group::<(), String>::new(ctx);
            group.go(|| quiet_panic()).unwrap();
            drop(group.wait());
        },
        |ctx| drop(Memo::new(|_: &u8| -> Result<(), String> { quiet_panic() }).get(ctx, 1)),
        |ctx| drop(SingleFlight::<u8, ()>::new().run(ctx, 1, || quiet_panic())),
        |_| drop(CircuitBreaker::new().call(|| -> Result<(), ()> { quiet_panic() })),
    ];
    for hands_on in all {
        beside_a_panic(move || {
            let (waits, begun, open) = slow();
            let unwinds = go(move || {
                let _waits = waits;
                hands_on(&background());
            });
            begun.recv().expect("it is unwound");
            // It waits in its destructor: an unwinding from there would end the process.
            unwinds.cancel();
            drop(open);
            let error = unwinds.join().expect_err("the panic was handed on");
            let payload = error.into_panic();
            assert_eq!(
                payload.downcast_ref(),
                Some(&"a panic that the test wants"),
                "and not the cancel"
            );
        });
    }
}

#[test]
fn a_group_that_is_dropped_continues_the_panic_that_nobody_has_seen() {
    beside_a_panic(|| {
        let group = Group::<(), String>::new(&background());
        group.go(|| quiet_panic()).unwrap();
        assert!(catch_panic(AssertUnwindSafe(|| drop(group))).is_err());
    });
}

#[test]
fn a_pool_that_is_dropped_does_what_is_queued() {
    beside_a_panic(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let pool = WorkerPool::new(&background(), 1);
        for _ in 0..5 {
            let done = done.clone();
            let _handle = pool
                .submit(move || done.fetch_add(1, Ordering::Relaxed))
                .unwrap();
        }
        drop(pool);
        assert_eq!(done.load(Ordering::Relaxed), 5);
    });
}
