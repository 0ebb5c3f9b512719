//! A seed decides all: whatever the process, its environment and its addresses are.

use gorge::channel::{after, bounded, select, tick, unbounded};
use gorge::sim::{Config, Strategy};
use gorge::sync::{Barrier, Condvar, Mutex, Once, Pool, RwLock, Semaphore, WaitGroup};
use gorge::{block_on, blocking, go, goroutine, sim, time, yield_now};
use std::env;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Set for a child.
const CHILD: &str = "GORGE_TEST_SIM_CHILD";

/// Runs one of these tests in a process of its own.
fn child(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command.env(CHILD, "yes").env_remove("GORGE_SIM_SEED");
    command.envs(variables.iter().copied());
    command.output().expect("it runs")
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Some of everything that the layers have.
fn medley() {
    let (numbers, receiver) = bounded(2);
    let (results, result) = unbounded();
    let table = Arc::new(RwLock::new(vec![0; 4]));
    let semaphore = Arc::new(Semaphore::new(2));
    let once = Arc::new(Once::new());
    let barrier = Arc::new(Barrier::new(3));
    let pool = Arc::new(Pool::new(|| vec![0u8; 10]));
    let group = WaitGroup::new();
    for worker in 0..3 {
        let (receiver, results, table) = (receiver.clone(), results.clone(), table.clone());
        let (semaphore, once) = (semaphore.clone(), once.clone());
        let (barrier, pool) = (barrier.clone(), pool.clone());
        group.go(move || {
            once.call_once(|| time::sleep(Duration::from_millis(worker)));
            for number in receiver {
                let _permit = semaphore.acquire().expect("it is open");
                let buffer = pool.get();
                table.write()[number % 4] += buffer.len();
                if table.try_read().is_some_and(|table| table[0] > 1) {
                    yield_now();
                }
                results.send((worker, number)).expect("it is read");
            }
            barrier.wait();
        });
    }
    drop(results);
    let feeder = go(move || {
        let end = after(Duration::from_millis(20));
        let ticks = tick(Duration::from_millis(3));
        let mut number = 0;
        loop {
            select! {
                send(numbers, number) -> sent => {
                    sent.expect("somebody works");
                    number += 1;
                }
                recv(ticks) -> _ => blocking(|| ()),
                recv(end) -> _ => return number,
            }
            if number > 30 {
                time::sleep(Duration::from_millis(1));
            }
        }
    });
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    goroutine::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                *shared.0.lock() += 1;
                shared.1.notify_all();
            });
        }
        shared
            .1
            .wait_while(&mut shared.0.lock(), |count| *count < 3);
    });
    let count = result.iter().count();
    assert_eq!(block_on(async { feeder.await.expect("it ends") }), count);
    group.wait();
}

fn digests() -> String {
    let digest = |seed| {
        let observed = Config::new().observe(seed, medley);
        observed.result.expect("it passes");
        format!("{:016x}:{}", observed.trace.digest(), observed.trace.len())
    };
    (0..20).map(digest).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_digests_are_the_same_in_every_process() {
    let own = digests();
    if is_child() {
        println!("digests {own}.");
        return;
    }
    for procs in ["1", "2", "7"] {
        // Of the memory, too, every process gets another part.
        let noise = "x".repeat(procs.len() * 4096);
        let variables = [("GORGE_MAXPROCS", procs), ("GORGE_TEST_NOISE", &noise)];
        let output = child("the_digests_are_the_same_in_every_process", &variables);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("digests {own}.")), "{own}\n\n{text}");
    }
}

#[test]
fn a_seed_repeats_itself_whatever_came_before() {
    let observe = |seed, strategy| {
        let observed = Config::new().strategy(strategy).observe(seed, medley);
        (observed.trace.digest(), observed.trace.to_string())
    };
    for strategy in [
        Strategy::Uniform,
        Strategy::Pct { depth: 3 },
        Strategy::Alternate,
    ] {
        let first: Vec<_> = (0..10).map(|seed| observe(seed, strategy)).collect();
        for seed in (0..10).rev() {
            assert_eq!(observe(seed, strategy), first[seed as usize]);
        }
        let mut digests: Vec<_> = first.iter().map(|it| it.0).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 10);
    }
}

#[test]
fn what_threads_remember_does_not_count() {
    std::thread_local! {
        static TURNS: AtomicU64 = const { AtomicU64::new(0) };
    }
    sim::check(20, || {
        assert_eq!(TURNS.with(|turns| turns.fetch_add(1, Relaxed)), 0)
    });
}

#[test]
fn a_check_tries_one_seed_after_the_other_or_the_one_that_is_asked_for() {
    static TRIES: AtomicU64 = AtomicU64::new(0);
    let counted = || {
        TRIES.fetch_add(1, Relaxed);
        let child = go(yield_now);
        child.join().expect("it ends");
    };
    if is_child() {
        sim::check(10, counted);
        println!("{} tries.", TRIES.load(Relaxed));
        return;
    }
    let name = "a_check_tries_one_seed_after_the_other_or_the_one_that_is_asked_for";
    let says = |variables: &[(&str, &str)]| {
        let output = child(name, variables);
        let own =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        own.concat()
    };
    assert!(says(&[]).contains("10 tries."));
    for seed in ["4711", "0x1267"] {
        let text = says(&[("GORGE_SIM_SEED", seed)]);
        assert!(
            text.contains("1 tries.") && text.contains("passed with seed 4711"),
            "{text}"
        );
        assert!(text.contains("goroutine 2 yields"), "{text}");
    }
    assert!(says(&[("GORGE_SIM_SEED", "soon")]).contains("set it to a seed"));
}

#[test]
fn a_failing_seed_that_is_asked_for_fails_with_all_its_steps() {
    let fails = || {
        (0..300).for_each(|_| yield_now());
        let mutex = Mutex::new(0);
        let line = line!() + 1;
        *mutex.lock() += 1;
        print!("line {line}, ");
        assert!(go(|| 1).join().is_err(), "as planned");
    };
    if is_child() {
        sim::check(10, fails);
    }
    let output = child(
        "a_failing_seed_that_is_asked_for_fails_with_all_its_steps",
        &[("GORGE_SIM_SEED", "9")],
    );
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("goroutine 1 panicked: as planned"), "{text}");
    assert!(text.contains("seed 9,") && text.contains("all "), "{text}");
    let line = text
        .split("line ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let line = line.expect("it says so");
    for operation in ["lock", "unlock"] {
        let step = format!("goroutine 1: {operation} at ");
        let place = text
            .lines()
            .find(|it| it.contains(&step))
            .expect("such a step");
        assert!(place.ends_with(&format!("sim_replay.rs:{line}")), "{place}");
    }
}

#[test]
fn with_few_seeds_all_interleavings_of_two_short_ones_are_seen() {
    let seen = Mutex::new(std::collections::HashSet::new());
    sim::check(500, || {
        let order = Arc::new(Mutex::new(String::new()));
        let letters = ["ab", "xy"].map(|letters| {
            let order = order.clone();
            go(move || letters.chars().for_each(|letter| order.lock().push(letter)))
        });
        letters
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
        let order = order.lock().clone();
        seen.lock().insert(order);
    });
    // Of four letters in two orders.
    assert_eq!(seen.lock().len(), 6);
}
