//! `Phased`: nobody is ahead, all see the same end, failures end all.

use crate::common::{cancellable, everywhere};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::context::background;
use gorge_patterns::Phased;
use gorge_runtime::{catch_panic, sim, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

#[test]
fn no_party_is_a_phase_ahead() {
    sim::check(SEEDS, || {
        let done = [(); 3].map(|()| AtomicUsize::new(0));
        let work = |party: &mut gorge_patterns::Party<'_>| {
            for count in &done {
                count.fetch_add(1, Relaxed);
                party.arrive();
                assert_eq!(count.load(Relaxed), 3);
            }
            Ok::<_, String>(party.phase())
        };
        let phases = Phased::new(3).run(&background(), work).unwrap();
        assert_eq!(phases, [3, 3, 3]);
    });
}

#[test]
fn a_grid_is_relaxed_as_by_one_alone() {
    /// Each cell becomes the mean of its neighbours.
    fn mean(cells: &[AtomicU64], at: usize) -> u64 {
        let of = |at: usize| cells[at % cells.len()].load(Relaxed);
        (of(at + cells.len() - 1) + of(at + 1)) / 2
    }
    everywhere(|| {
        const STEPS: usize = 20;
        let new = || -> Vec<_> { (0..12).map(|n| AtomicU64::new(n * 1000)).collect() };
        let (alone, shared) = ([new(), new()], [new(), new()]);
        for step in 0..STEPS {
            for at in 0..12 {
                alone[(step + 1) % 2][at].store(mean(&alone[step % 2], at), Relaxed);
            }
        }
        let work = |party: &mut gorge_patterns::Party<'_>| {
            for step in 0..STEPS {
                for at in (party.index()..12).step_by(4) {
                    shared[(step + 1) % 2][at].store(mean(&shared[step % 2], at), Relaxed);
                }
                party.arrive();
            }
            Ok::<_, String>(())
        };
        Phased::new(4).run(&background(), work).unwrap();
        let value = |grid: &[Vec<AtomicU64>; 2]| -> Vec<u64> {
            grid[STEPS % 2]
                .iter()
                .map(|cell| cell.load(Relaxed))
                .collect()
        };
        assert_eq!(value(&alone), value(&shared));
    });
}

#[test]
fn one_that_leaves_early_is_not_waited_for() {
    sim::check(SEEDS, || {
        let betweens = AtomicUsize::new(0);
        let phased = Phased::new(3).between(|phase| {
            assert_eq!(betweens.fetch_add(1, Relaxed), phase as usize);
        });
        let work = |party: &mut gorge_patterns::Party<'_>| {
            for _ in 0..party.index() {
                party.arrive();
            }
            Ok::<_, String>(party.phase())
        };
        assert_eq!(phased.run(&background(), work).unwrap(), [0, 1, 2]);
        assert_eq!(betweens.load(Relaxed), 2);
    });
}

#[test]
fn the_first_error_ends_all() {
    sim::check(SEEDS, || {
        let work = |party: &mut gorge_patterns::Party<'_>| {
            for phase in 0..5 {
                yield_now();
                if (party.index(), phase) == (1, 2) {
                    return Err("no");
                }
                party.arrive();
            }
            Ok(())
        };
        let error = Phased::new(3).run(&background(), work).unwrap_err();
        assert_eq!(error.into_first().into_failed(), Some("no"));
    });
}

#[test]
fn a_panic_of_a_party_or_between_ends_all() {
    everywhere(|| {
        let in_party = || {
            Phased::new(3).run(&background(), |party| {
                party.arrive();
                assert!(party.index() != 1, "a party's panic");
                party.arrive();
                Ok::<_, String>(())
            })
        };
        let payload = catch_panic(AssertUnwindSafe(in_party)).unwrap_err();
        assert_eq!(text(&*payload), "a party's panic");
        let between = || {
            let phased = Phased::new(3).between(|phase| assert!(phase < 1, "a panic between"));
            phased.run(&background(), |party| {
                (0..3).for_each(|_| _ = party.arrive());
                Ok::<_, String>(())
            })
        };
        let payload = catch_panic(AssertUnwindSafe(between)).unwrap_err();
        assert_eq!(text(&*payload), "a panic between");
    });
}

#[test]
fn nothing_begins_under_a_context_that_is_done() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        guard.cancel();
        let begun = AtomicUsize::new(0);
        let result = Phased::new(2).run(&ctx, |party| {
            begun.fetch_add(1, Relaxed);
            Ok::<_, String>(party.arrive())
        });
        assert!(result.unwrap().is_empty());
        assert_eq!(begun.load(Relaxed), 0);
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let work = |party: &mut gorge_patterns::Party<'_>| {
            party.arrive();
            party.arrive();
            Ok::<_, String>(())
        };
        drop(Phased::new(2).run(ctx, work));
    });
}

#[test]
#[should_panic(expected = "at least one party")]
fn phases_of_nobody_are_refused() {
    drop(Phased::new(0));
}
