//! Runtimes that end while a scope lends: what is lent stays valid until the last
//! child has unwound.

mod common;
#[path = "common/lent.rs"]
mod lent;

use common::wait_for;
use gorge_runtime::{Runtime, blocking, scope, yield_now};
use lent::{Child, Fate, Watch, start};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A runtime with an owner in a scope whose children all wait.
fn with_a_waiting_scope(migrating: bool) -> (Runtime, Arc<Watch>) {
    let setting = common::Setting {
        migrating,
        procs: 2,
    };
    let runtime = setting.runtime();
    let watch = Arc::new(Watch::default());
    let theirs = watch.clone();
    runtime.go(move || {
        let frame = theirs.frame();
        scope(|s| {
            for _ in 0..10 {
                start(s, &frame, Child::WaitsForEver, Fate::Dropped);
            }
        });
    });
    wait_for(|| runtime.num_goroutines() == 21);
    (runtime, watch)
}

#[test]
fn a_runtime_dropped_by_another_thread_unwinds_a_scope_from_the_leaves() {
    for migrating in [false, true] {
        let (runtime, watch) = with_a_waiting_scope(migrating);
        drop(runtime);
        assert!(!watch.is_there.load(Ordering::SeqCst));
        assert_eq!(watch.misuses.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_runtime_dropped_on_a_goroutine_of_its_own_unwinds_a_scope_from_the_leaves() {
    for migrating in [false, true] {
        for in_blocking in [false, true] {
            let (runtime, watch) = with_a_waiting_scope(migrating);
            let runtime = Arc::new(runtime);
            let owned = runtime.clone();
            let dropper = runtime.go(move || {
                // The last one: this thread's has gone when it was told.
                while Arc::strong_count(&owned) > 1 {
                    yield_now();
                }
                if in_blocking {
                    blocking(|| drop(owned));
                } else {
                    drop(owned);
                }
            });
            drop(runtime);
            dropper.join().expect("it does not wait for itself");
            wait_for(|| !watch.is_there.load(Ordering::SeqCst));
            assert_eq!(watch.misuses.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn what_run_lends_outlives_main_when_the_runtime_is_shut_down_meanwhile() {
    for migrating in [false, true] {
        let (runtime, watch) = with_a_waiting_scope(migrating);
        let lent = Arc::new(Watch::default());
        let handle = runtime.go({
            let lent = lent.clone();
            move || {
                let inner = Runtime::builder().max_procs(1).build().expect("a runtime");
                let frame = lent.frame();
                inner.run(|| Child::WaitsForEver.live(frame.user()));
            }
        });
        wait_for(|| lent.is_there.load(Ordering::SeqCst));
        drop(runtime);
        assert!(
            handle
                .join()
                .map(drop)
                .expect_err("cancelled")
                .is_cancelled()
        );
        assert_eq!(lent.misuses.load(Ordering::SeqCst), 0);
        assert!(!lent.is_there.load(Ordering::SeqCst));
        assert!(!watch.is_there.load(Ordering::SeqCst));
    }
}
