//! What can be seen only by somebody who knows whether others are queued.

use super::Once;
use crate::common::for_each_setting;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// Several wait for one that is cancelled: one of them is the next.
#[test]
fn whoever_waited_for_a_cancelled_initialiser_runs_it_once() {
    for_each_setting(|setting| {
        let once = Arc::new(Once::new());
        let runs = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (once.clone(), runs.clone());
        let first = gorge_runtime::go(move || {
            shared.call_once(|| {
                counted.fetch_add(1, Ordering::Relaxed);
                gorge_runtime::goroutine::park_forever();
            });
        });
        setting.until("it runs", || runs.load(Ordering::Relaxed) == 1);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let (shared, counted) = (once.clone(), runs.clone());
                setting.start(move || {
                    shared.call_once(|| {
                        counted.fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(shared.state().done());
                })
            })
            .collect();
        setting.until("they wait", || once.core.queued() == 3);
        first.cancel();
        assert!(first.join().expect_err("cancelled").is_cancelled());
        waiting.into_iter().for_each(|party| party.join());
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    });
}
