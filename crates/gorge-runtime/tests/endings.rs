//! Ends of runtimes that a whole process feels: what they leave behind, how many
//! goroutines they unwind, and runtimes that wait for each other. In child
//! processes, where no other test opens and closes anything.
#![allow(
    clippy::disallowed_methods,
    reason = "a figure is taken on the real clock"
)]

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/marks.rs"]
mod marks;

use child::{Child, case};
use common::{Setting, wait_for};
use gorge_runtime::netpoll::{Direction, Pollable};
use gorge_runtime::{Runtime, blocking, go, goroutine, yield_now};
use marks::Counted;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Some(case) = case() else { return };
    match &*case {
        "a thousand runtimes" => a_thousand_runtimes(),
        "many parked" => many_parked(),
        "each other" => each_other(),
        "homed" => dropped_beside_a_goroutine_that_it_needs(),
        "inside" => dropped_inside(),
        "main returns" => main_returns_while_others_panic(),
        _ => unreachable!("cases are named above"),
    }
}

/// Runs a case that may not leave anything running.
fn run(case: &str) {
    let ended = Child::new(case).end();
    ended.expect(0, &[]);
    assert_eq!(ended.count("did not stop"), 0, "{}", ended.stderr);
    eprintln!("{}", String::from_utf8_lossy(&ended.output.stdout));
}

/// What the process has open.
#[derive(Debug)]
struct Holdings {
    threads: usize,
    mappings: usize,
    descriptors: usize,
}

impl Holdings {
    fn now() -> Holdings {
        let entries = |path| fs::read_dir(path).expect("procfs").count();
        let maps = fs::read_to_string("/proc/self/maps").expect("procfs");
        Holdings {
            threads: entries("/proc/self/task"),
            mappings: maps.lines().count(),
            descriptors: entries("/proc/self/fd"),
        }
    }
}

/// What a runtime is used for before it is dropped.
const USES: [fn(); 6] = [
    || (),
    || {
        go(|| goroutine::sleep(Duration::from_secs(3600)));
        goroutine::sleep(Duration::from_micros(50));
    },
    || {
        go(|| {
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let reader = Pollable::new(reader).expect("pollable");
            let _ = reader.io(Direction::Read, None, |mut pipe| pipe.read(&mut [0; 8]));
        });
        yield_now();
        yield_now();
    },
    || blocking(|| blocking(yield_now)),
    || {
        goroutine::pin(yield_now);
        go(|| goroutine::pin(|| goroutine::park_forever()));
        yield_now();
    },
    || {
        let large = goroutine::Builder::new().stack_reserve(4 << 20);
        let spawned = large.spawn(|| goroutine::park_forever());
        drop(spawned.expect("spawned"));
        for _ in 0..20 {
            go(|| gorge_runtime::stack::grow(1 << 20, 2 << 20, || goroutine::park_forever()));
        }
        yield_now();
    },
];

fn use_runtimes(count: usize) {
    for number in 0..count {
        let setting = Setting {
            migrating: number / USES.len() % 2 == 1,
            procs: 1 + number / (2 * USES.len()) % 2,
        };
        let runtime = setting.runtime();
        runtime.run(USES[number % USES.len()]);
    }
}

fn a_thousand_runtimes() {
    let idle = Holdings::now().threads;
    // What is made once per process, and the allocator's arenas.
    use_runtimes(100);
    wait_for(|| Holdings::now().threads <= idle);
    let before = Holdings::now();
    use_runtimes(1000);
    wait_for(|| Holdings::now().threads <= before.threads);
    let after = Holdings::now();
    println!("{before:?}\n{after:?}");
    assert_eq!(after.descriptors, before.descriptors);
    // An allocator's heaps may grow by a few: one per ten runtimes would be a leak.
    assert!(after.mappings <= before.mappings + 50);
}

#[test]
fn a_thousand_runtimes_leave_no_thread_no_mapping_and_no_descriptor() {
    run("a thousand runtimes");
}

fn many_parked() {
    const GOROUTINES: usize = 100_000;
    let setting = Setting {
        migrating: false,
        procs: 2,
    };
    let runtime = setting.runtime();
    let (parked, drops) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    runtime.run(|| {
        for _ in 0..GOROUTINES {
            let (parked, counted) = (parked.clone(), Counted(Arc::clone(&drops)));
            go(move || {
                let _counted = counted;
                parked.fetch_add(1, Ordering::SeqCst);
                goroutine::park_forever();
            });
        }
        wait_for(|| parked.load(Ordering::SeqCst) == GOROUTINES);
    });
    let begin = Instant::now();
    drop(runtime);
    // Also if that takes longer than the runtime waits.
    while drops.load(Ordering::SeqCst) < GOROUTINES {
        yield_now();
    }
    println!(
        "{GOROUTINES} parked goroutines unwound in {:?}",
        begin.elapsed()
    );
}

#[test]
fn a_hundred_thousand_parked_goroutines_unwind() {
    let ended = Child::new("many parked").end();
    ended.expect(0, &[]);
    eprintln!("{}", String::from_utf8_lossy(&ended.output.stdout));
}

/// Three runtimes. Goroutines of each join one of the next, in a circle; the first
/// two also lend to the next one, which they own, too.
fn in_a_circle(migrating: bool) -> Vec<Option<Arc<Runtime>>> {
    let setting = Setting {
        migrating,
        procs: 1,
    };
    let runtimes: Vec<_> = (0..3).map(|_| Arc::new(setting.runtime())).collect();
    for (number, runtime) in runtimes.iter().enumerate() {
        let next = runtimes[(number + 1) % 3].clone();
        let joined = next.go(|| goroutine::park_forever());
        runtime.go(move || joined.join().map(|_: ()| ()));
        if number < 2 {
            runtime.go(move || next.run(|| goroutine::park_forever()));
        }
    }
    wait_for(|| {
        let alive: Vec<_> = runtimes.iter().map(|it| it.num_goroutines()).collect();
        alive == [3, 4, 3]
    });
    runtimes.into_iter().map(Some).collect()
}

fn each_other() {
    let idle = Holdings::now().threads;
    for migrating in [false, true] {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut runtimes = in_a_circle(migrating);
            for number in order {
                drop(runtimes[number].take());
            }
            wait_for(|| Holdings::now().threads <= idle);
        }
    }
}

#[test]
fn runtimes_that_wait_for_each_other_end_in_any_order() {
    run("each other");
}

/// A goroutine drops a runtime that waits for a sibling of it, which has the same
/// thread as its home.
fn dropped_beside_a_goroutine_that_it_needs() {
    let setting = Setting {
        migrating: false,
        procs: 1,
    };
    let first = Arc::new(setting.runtime());
    let second = setting.runtime();
    let lender = first.clone();
    let lent = second.go(move || lender.run(|| goroutine::park_forever()));
    wait_for(|| first.num_goroutines() == 1);
    first.run(move || drop(second));
    assert!(
        lent.join()
            .map(|_: ()| ())
            .expect_err("cancelled")
            .is_cancelled()
    );
}

#[test]
fn a_goroutine_that_drops_a_runtime_leaves_its_thread_to_its_siblings() {
    run("homed");
}

/// The last owner is a closure that one of its goroutines gave to `blocking`.
fn dropped_inside() {
    let idle = Holdings::now().threads;
    for migrating in [false, true] {
        let setting = Setting {
            migrating,
            procs: 2,
        };
        let runtime = Arc::new(setting.runtime());
        let (owned, told) = (runtime.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Counted(told.clone());
        runtime.go(move || {
            let _counted = counted;
            goroutine::park_forever();
        });
        let dropper = runtime.go(move || {
            while Arc::strong_count(&owned) > 1 {
                yield_now();
            }
            blocking(|| drop(owned));
        });
        drop(runtime);
        dropper.join().expect("it does not wait for itself");
        wait_for(|| told.load(Ordering::SeqCst) == 1);
    }
    wait_for(|| Holdings::now().threads <= idle);
}

#[test]
fn a_runtime_dropped_in_a_blocking_closure_of_its_own_does_not_wait_for_it() {
    run("inside");
}

/// Calls its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Goroutines that are in the middle of their panics when the runtime ends.
fn main_returns_while_others_panic() {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let unwinding = Arc::new(AtomicUsize::new(0));
    runtime.run(|| {
        for number in 0..20 {
            let unwinding = unwinding.clone();
            go(move || {
                let _slow = OnDrop(move || {
                    unwinding.fetch_add(1, Ordering::SeqCst);
                    (0..10).for_each(|_| goroutine::sleep(Duration::from_millis(1)));
                    unwinding.fetch_sub(1, Ordering::SeqCst);
                });
                panic!("number {number}");
            });
        }
        wait_for(|| unwinding.load(Ordering::SeqCst) > 0);
    });
    drop(runtime);
    assert_eq!(unwinding.load(Ordering::SeqCst), 0, "all destructors ran");
}

#[test]
fn main_may_return_while_others_panic() {
    let ended = Child::new("main returns").end();
    ended.expect(0, &[") panics:", "number "]);
    assert_eq!(ended.count("did not stop"), 0, "{}", ended.stderr);
}
