//! Who runs when and where: parallelism, fairness, parking, sleeping, dumps.

#![allow(
    clippy::disallowed_methods,
    reason = "sleeps are measured against the real clock"
)]

mod common;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{GoroutineState, go, goroutine, time, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn cpu_bound_goroutines_run_in_parallel() {
    in_each_placement(2, |runtime| {
        for _ in 0..10 {
            // Each spins until the other has come: that takes two at once.
            let present = Arc::new(AtomicUsize::new(0));
            let meet = |present: Arc<AtomicUsize>| {
                present.fetch_add(1, Ordering::SeqCst);
                while present.load(Ordering::SeqCst) < 2 {
                    std::hint::spin_loop();
                }
            };
            runtime.run(|| {
                let handles = [present.clone(), present.clone()].map(|p| go(move || meet(p)));
                handles
                    .into_iter()
                    .for_each(|handle| handle.join().expect("they met"));
            });
        }
    });
}

/// Counts its turns until all have had one.
fn compute(me: usize, turns: &[AtomicU64], latest: &AtomicUsize) {
    while turns.iter().any(|turns| turns.load(Ordering::Relaxed) == 0) {
        if latest.swap(me, Ordering::Relaxed) != me {
            turns[me].fetch_add(1, Ordering::Relaxed);
        }
        gorge_runtime::checkpoint();
    }
}

/// Every 61st goroutine that runs may be one that had a time slice, and one that
/// the system stopped for long may run beside another. By turns with those that
/// have not started it would be 14.
#[test]
fn a_goroutine_that_used_its_time_slice_up_waits_until_all_others_had_theirs() {
    in_each_placement(1, |runtime| {
        let turns: Vec<_> = (0..8).map(|_| AtomicU64::new(0)).collect();
        let latest = AtomicUsize::new(usize::MAX);
        runtime.run(|| {
            gorge_runtime::scope(|s| {
                for me in 0..turns.len() {
                    let (turns, latest) = (&turns, &latest);
                    s.spawn(move || compute(me, turns, latest));
                }
            });
        });
        let total: u64 = turns.into_iter().map(AtomicU64::into_inner).sum();
        assert!((8..=11).contains(&total), "{total} turns for 8");
    });
}

#[test]
fn yields_let_another_goroutine_make_progress() {
    in_each_setting(|runtime| {
        let flag = Arc::new(AtomicBool::new(false));
        let setter = flag.clone();
        runtime.run(move || {
            go(move || setter.store(true, Ordering::SeqCst));
            wait_for(|| flag.load(Ordering::SeqCst));
        });
    });
}

#[test]
fn partners_that_wake_each_other_for_ever_do_not_starve_a_third() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        runtime.run(|| {
            let first = ping(stop.clone());
            let second = ping(stop.clone());
            let partners = [first.goroutine().clone(), second.goroutine().clone()];
            let setter = stop.clone();
            let third = go(move || {
                setter.store(true, Ordering::SeqCst);
                partners.iter().for_each(goroutine::Goroutine::unpark);
            });
            let (a, b) = (first.goroutine().clone(), second.goroutine().clone());
            let handles = [unparker(a, stop.clone()), unparker(b, stop.clone())];
            third.join().expect("it had its turn");
            handles
                .into_iter()
                .for_each(|handle| handle.join().expect("it stopped"));
            first.join().expect("it stopped");
            second.join().expect("it stopped");
        });
    });
}

/// Partners that wake each other are watched by an idle machine, which is not woken for
/// each of them; it has to notice that one of them keeps its processor to itself.
#[test]
fn work_behind_a_partner_that_suddenly_computes_is_found() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            for _ in 0..20 {
                let stop = Arc::new(AtomicBool::new(false));
                let partner = ping(stop.clone());
                let other = partner.goroutine().clone();
                // Long enough for the other machine to fall asleep, and to nap only.
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(2) {
                    other.unpark();
                    yield_now();
                }
                let has_run = Arc::new(AtomicBool::new(false));
                let seen = has_run.clone();
                let work = go(move || seen.store(true, Ordering::SeqCst));
                // Neither parks nor passes a checkpoint.
                while !has_run.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                work.join().expect("it ran");
                stop.store(true, Ordering::SeqCst);
                partner.goroutine().unpark();
                partner.join().expect("it ends");
            }
        });
    });
}

fn ping(stop: Arc<AtomicBool>) -> gorge_runtime::JoinHandle<()> {
    go(move || {
        while !stop.load(Ordering::SeqCst) {
            goroutine::park();
        }
    })
}

fn unparker(partner: goroutine::Goroutine, stop: Arc<AtomicBool>) -> gorge_runtime::JoinHandle<()> {
    go(move || {
        while !stop.load(Ordering::SeqCst) {
            partner.unpark();
            yield_now();
        }
    })
}

#[test]
fn an_unpark_before_the_park_is_not_lost() {
    in_each_setting(|runtime| {
        let handle = runtime.go(|| {
            goroutine::park();
            "woken"
        });
        handle.goroutine().unpark();
        assert_eq!(handle.join().expect("a value"), "woken");
    });
}

#[test]
fn unparks_and_parks_between_two_goroutines_never_hang() {
    in_each_setting(|runtime| {
        let turns = runtime.run(|| {
            let turn = Arc::new(AtomicU64::new(0));
            let me = goroutine::current();
            let shared = turn.clone();
            let partner = go(move || take_turns(&shared, 1, &me));
            take_turns(&turn, 0, partner.goroutine());
            partner.join().expect("a value");
            turn.load(Ordering::SeqCst)
        });
        assert_eq!(turns, 2 * TURNS);
    });
}

const TURNS: u64 = 10_000;

fn take_turns(turn: &AtomicU64, parity: u64, partner: &goroutine::Goroutine) {
    for _ in 0..TURNS {
        while turn.load(Ordering::SeqCst) % 2 != parity {
            goroutine::park();
        }
        turn.fetch_add(1, Ordering::SeqCst);
        partner.unpark();
    }
}

#[test]
fn os_threads_and_goroutines_unpark_each_other() {
    in_each_setting(|runtime| {
        let turn = Arc::new(AtomicU64::new(0));
        let thread = goroutine::current();
        let shared = turn.clone();
        let partner = runtime.go(move || take_turns(&shared, 1, &thread));
        take_turns(&turn, 0, partner.goroutine());
        partner.join().expect("a value");
    });
}

#[test]
fn a_sleep_lasts_at_least_as_long_as_asked() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let start = Instant::now();
            goroutine::sleep(Duration::from_millis(20));
            assert!(start.elapsed() >= Duration::from_millis(20));
            goroutine::sleep(Duration::ZERO);
            time::sleep_until(start);
        });
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    in_each_placement(1, |runtime| {
        let order = runtime.run(|| {
            let order = Arc::new(AtomicU64::new(0));
            let handles: Vec<_> = [3u64, 1, 4, 2]
                .map(|rank| {
                    let order = order.clone();
                    go(move || {
                        goroutine::sleep(Duration::from_millis(20 * rank));
                        let digits = order.load(Ordering::SeqCst);
                        order.store(digits * 10 + rank, Ordering::SeqCst);
                    })
                })
                .into();
            handles
                .into_iter()
                .for_each(|handle| handle.join().expect("it woke"));
            order.load(Ordering::SeqCst)
        });
        assert_eq!(order, 1234);
    });
}

#[test]
fn a_sleep_that_is_cancelled_leaves_no_timer_behind() {
    in_each_setting(|runtime| {
        let sleepers: Vec<_> = (0..100)
            .map(|_| runtime.go(|| goroutine::sleep(Duration::MAX)))
            .collect();
        wait_for(|| waiting(runtime) == 100);
        sleepers.iter().for_each(gorge_runtime::JoinHandle::cancel);
        for sleeper in sleepers {
            assert!(
                sleeper
                    .join()
                    .expect_err("it sleeps for ever")
                    .is_cancelled()
            );
        }
        // The timers' goroutines are gone: a heap that still had one would
        // make this one wake a stranger.
        runtime.run(|| goroutine::sleep(Duration::from_millis(1)));
    });
}

fn waiting(runtime: &gorge_runtime::Runtime) -> usize {
    let dump = runtime.dump_states();
    let is_waiting = |state| matches!(state, GoroutineState::Waiting(_));
    dump.goroutines()
        .iter()
        .filter(|g| is_waiting(g.state))
        .count()
}

#[test]
fn park_timeout_gives_up_and_a_late_unpark_is_kept() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let start = Instant::now();
            goroutine::park_timeout(Duration::from_millis(5));
            assert!(start.elapsed() >= Duration::from_millis(5));
            goroutine::current().unpark();
            goroutine::park();
        });
    });
}

#[test]
fn a_dump_shows_state_reason_name_and_site() {
    in_each_setting(|runtime| {
        let line = line!() + 1;
        let sleeper = runtime.run(|| goroutine::Builder::new().name("dozy").spawn(doze).unwrap());
        wait_for(|| waiting(runtime) == 1);
        let text = runtime.dump().to_string();
        let header = format!("goroutine {} [sleep] \"dozy\":", sleeper.goroutine().id());
        assert!(text.contains(&header), "{text}");
        assert!(text.contains(&format!("scheduling.rs:{line}:")), "{text}");
        sleeper.cancel();
    });
}

fn doze() {
    goroutine::sleep(Duration::from_secs(3600));
}

#[test]
fn a_pinned_goroutine_that_waits_leaves_its_permit_to_what_it_started() {
    in_each_placement(1, |runtime| {
        for i in 0..200 {
            let child = runtime.run(|| goroutine::pin(|| go(move || i).join().expect("a value")));
            assert_eq!(child, i);
        }
    });
}

#[test]
fn a_goroutine_that_is_pinned_no_more_goes_on_with_one_permit() {
    in_each_placement(1, |runtime| {
        for _ in 0..200 {
            assert_eq!(
                runtime.run(|| goroutine::pin(|| 1) + goroutine::pin(|| 2)),
                3
            );
        }
    });
}

#[test]
fn a_pinned_goroutine_waits_for_a_permit_no_longer_than_a_time_slice() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let busy = stop.clone();
        let computing = runtime.go(move || {
            while !busy.load(Ordering::SeqCst) {
                gorge_runtime::checkpoint();
            }
        });
        let start = Instant::now();
        runtime.run(|| {
            goroutine::pin(|| (0..10).for_each(|_| time::sleep(Duration::from_millis(1))));
        });
        stop.store(true, Ordering::SeqCst);
        computing.join().expect("it stopped");
        // Ten turns of ten milliseconds, and room for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(3));
    });
}

#[test]
fn changing_the_number_of_processors_while_machines_wake_strands_nothing() {
    in_each_placement(2, |runtime| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let changer = scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    runtime.set_max_procs(1);
                    runtime.set_max_procs(2);
                }
            });
            for _ in 0..2000 {
                let (present, partner) = (Arc::new(AtomicUsize::new(0)), Duration::from_micros(20));
                let child = present.clone();
                runtime.run(|| {
                    let child = go(move || {
                        time::sleep(partner);
                        child.fetch_add(1, Ordering::SeqCst)
                    });
                    child.join().expect("it came");
                });
                assert_eq!(present.load(Ordering::SeqCst), 1);
            }
            stop.store(true, Ordering::SeqCst);
            changer.join().expect("it changed them");
        });
    });
}
