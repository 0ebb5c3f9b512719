//! Dumps with the calls that goroutines are in.

mod common;
#[path = "common/latch.rs"]
mod latch;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{
    GoroutineDump, GoroutineId, GoroutineSnapshot, GoroutineState, JoinHandle, Runtime, blocking,
    go, goroutine, stack,
};
use latch::{Latch, latch};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Five calls that the compiler cannot merge, the innermost of which is `wait`.
fn five(wait: fn()) {
    #[inline(never)]
    fn fifth(wait: fn()) {
        wait();
        black_box(());
    }
    #[inline(never)]
    fn fourth(wait: fn()) {
        fifth(wait);
        black_box(());
    }
    #[inline(never)]
    fn third(wait: fn()) {
        fourth(wait);
        black_box(());
    }
    #[inline(never)]
    fn second(wait: fn()) {
        third(wait);
        black_box(());
    }
    #[inline(never)]
    fn first(wait: fn()) {
        second(wait);
        black_box(());
    }
    first(wait);
    black_box(());
}

const FIVE: [&str; 5] = ["fifth", "fourth", "third", "second", "first"];

/// The last parts of the functions' names, without generic arguments.
fn names(goroutine: &GoroutineSnapshot) -> Vec<String> {
    let last = |name: &str| {
        let mut depth = 0;
        let is_plain = |c: &char| {
            depth += i32::from(*c == '<');
            let is_plain = depth == 0;
            depth -= i32::from(*c == '>');
            is_plain
        };
        let plain: String = name.chars().filter(is_plain).collect();
        let plain = plain.trim_end_matches(':');
        plain.rsplit("::").next().unwrap_or(plain).to_owned()
    };
    let functions = goroutine.frames.iter();
    functions.map(|frame| last(&frame.function)).collect()
}

/// Asserts that `parts` occur in this order.
#[track_caller]
fn assert_in_order(goroutine: &GoroutineSnapshot, parts: &[&str]) {
    let names = names(goroutine);
    let mut rest = names.iter();
    for part in parts {
        assert!(
            rest.any(|name| name == part),
            "{part} is missing in\n{goroutine}"
        );
    }
}

fn find(dump: &GoroutineDump, id: GoroutineId) -> GoroutineSnapshot {
    let found = dump.goroutines().iter().find(|it| it.id == id);
    found.expect("it has not ended").clone()
}

/// The goroutine, once it waits.
fn parked<T>(runtime: &Runtime, handle: &JoinHandle<T>) -> GoroutineSnapshot {
    let id = handle.goroutine().id();
    wait_for(|| find(&runtime.dump_states(), id).state.is_waiting());
    loop {
        let goroutine = find(&runtime.dump(), id);
        // It may be about to leave its stack.
        if !goroutine.frames.is_empty() {
            return goroutine;
        }
    }
}

/// Its innermost call is the one that blocks, and nothing of the runtime follows.
#[track_caller]
fn assert_trimmed(goroutine: &GoroutineSnapshot, innermost: &str, entries_max: usize) {
    let names = names(goroutine);
    assert_eq!(names[0], innermost, "\n{goroutine}");
    let runtime = |file: &str| file.contains("gorge-runtime/src/") || file.contains("library/");
    let files = goroutine.frames[1..].iter().flat_map(|it| &it.file);
    let entries = files.filter(|file| runtime(file)).count();
    assert!(entries <= entries_max, "\n{goroutine}");
}

fn park() {
    goroutine::park();
    black_box(());
}

/// Unparks the goroutine until it has ended.
fn end<T>(handle: JoinHandle<T>) {
    while !handle.is_finished() {
        handle.goroutine().unpark();
        gorge_runtime::yield_now();
    }
    drop(handle.join().map_err(|error| panic!("{error}")));
}

#[test]
fn a_parked_goroutine_shows_its_calls_in_order_and_nothing_else() {
    in_each_setting(|runtime| {
        let handle = runtime.go(|| five(park));
        let goroutine = parked(runtime, &handle);
        assert_trimmed(&goroutine, "park", 0);
        assert_in_order(&goroutine, &FIVE);
        end(handle);
    });
}

#[test]
fn every_way_to_wait_shows_the_call_that_waits() {
    in_each_placement(2, |runtime| {
        let sleeping = runtime.go(|| goroutine::sleep(Duration::from_secs(3600)));
        assert_trimmed(&parked(runtime, &sleeping), "sleep", 0);
        sleeping.cancel();

        let joining = runtime.go(|| {
            let child = go(park);
            drop(child.join());
            black_box(());
        });
        assert_trimmed(&parked(runtime, &joining), "join", 0);
        joining.cancel();

        let scoping = runtime.go(|| {
            goroutine::scope(|scope| drop(scope.spawn(park)));
            black_box(());
        });
        assert_trimmed(&parked(runtime, &scoping), "scope", 0);
        scoping.cancel();
    });
}

#[test]
fn a_goroutine_on_a_segment_shows_the_calls_on_it_and_below() {
    #[inline(never)]
    fn below() {
        stack::grow(usize::MAX, 256 * 1024, above);
        black_box(());
    }
    #[inline(never)]
    fn above() {
        stack::grow(usize::MAX, 512 * 1024, || five(park));
        black_box(());
    }
    in_each_setting(|runtime| {
        let handle = runtime.go(below);
        let goroutine = parked(runtime, &handle);
        let order: Vec<_> = FIVE
            .into_iter()
            .chain(["grow", "above", "grow", "below"])
            .collect();
        assert_in_order(&goroutine, &order);
        assert_trimmed(&goroutine, "park", 2);
        end(handle);
    });
}

#[test]
fn a_pinned_goroutine_shows_its_closure_and_who_pinned_it() {
    #[inline(never)]
    fn pins() {
        goroutine::pin(|| stack::grow(usize::MAX, 256 * 1024, || five(park)));
        black_box(());
    }
    #[inline(never)]
    fn grows() {
        stack::grow(usize::MAX, 256 * 1024, pins);
        black_box(());
    }
    in_each_setting(|runtime| {
        let handle = runtime.go(grows);
        let goroutine = parked(runtime, &handle);
        let order = FIVE
            .into_iter()
            .chain(["grow", "pin", "pins", "grow", "grows"]);
        assert_in_order(&goroutine, &order.collect::<Vec<_>>());
        assert_trimmed(&goroutine, "park", 3);
        end(handle);
    });
}

#[test]
fn a_goroutine_that_waits_for_the_blocking_pool_shows_who_called() {
    #[inline(never)]
    fn calls(latch: Latch) {
        blocking(|| latch.wait());
        black_box(());
    }
    // A migrating goroutine's closure runs on its own thread.
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    let (release, latch) = latch();
    let handle = runtime.go(move || calls(latch));
    let goroutine = parked(&runtime, &handle);
    assert_in_order(&goroutine, &["blocking", "calls"]);
    assert_trimmed(&goroutine, "blocking", 0);
    drop(release);
    handle.join().expect("it ends");
}

#[test]
fn inlined_calls_are_shown() {
    #[inline(always)]
    fn inlined() {
        park();
        black_box(());
    }
    #[inline(never)]
    fn outer() {
        inlined();
        black_box(());
    }
    in_each_placement(1, |runtime| {
        let handle = runtime.go(outer);
        let goroutine = parked(runtime, &handle);
        assert_in_order(&goroutine, &["park", "inlined", "outer"]);
        for frame in goroutine.frames.iter() {
            assert!(frame.address != 0 && frame.file.is_some() && frame.line > Some(0));
        }
        // An unoptimised build inlines it too.
        let frame = goroutine
            .frames
            .iter()
            .find(|it| it.function.contains("inlined"));
        assert!(frame.is_some_and(|it| it.is_inlined), "{goroutine}");
        end(handle);
    });
}

#[test]
fn of_a_deep_stack_the_middle_is_left_out() {
    #[inline(never)]
    fn down(levels: u32) -> u32 {
        let result = match levels {
            0 => {
                goroutine::park();
                0
            }
            _ => stack::grow(16 * 1024, 1 << 20, || down(levels - 1)),
        };
        black_box(result) + 1
    }
    in_each_placement(1, |runtime| {
        let handle = runtime.go(|| down(5000));
        let goroutine = parked(runtime, &handle);
        assert!(goroutine.frames_elided > 1000, "{goroutine}");
        assert!(goroutine.to_string().contains(" frames elided...\n"));
        let names = names(&goroutine);
        assert!(names.contains(&"park".to_owned()), "{goroutine}");
        assert!((50..1000).contains(&names.len()), "{goroutine}");
        end(handle);
    });
}

#[test]
fn a_goroutine_that_dumps_sees_itself() {
    #[inline(never)]
    fn outer(runtime: &Runtime) -> String {
        black_box(inner(runtime))
    }
    #[inline(never)]
    fn inner(runtime: &Runtime) -> String {
        let own = goroutine::current().id();
        let goroutine = find(&runtime.dump(), own);
        assert_eq!(goroutine.state, GoroutineState::Running);
        assert_in_order(&goroutine, &["dump", "inner", "outer"]);
        assert_trimmed(&goroutine, "dump", 1);
        black_box(goroutine.to_string())
    }
    in_each_setting(|runtime| {
        let text = runtime.run(|| outer(runtime));
        assert!(text.contains(" [running]:\n"), "{text}");
        runtime.run(|| stack::grow(usize::MAX, 1 << 20, || outer(runtime)));
        runtime.run(|| goroutine::pin(|| outer(runtime)));
    });
}

#[test]
fn a_goroutine_with_little_stack_may_dump() {
    let runtime = Runtime::builder().max_procs(1).build();
    let runtime = Arc::new(runtime.expect("a runtime"));
    let dumped = Arc::downgrade(&runtime);
    let dump = move || dumped.upgrade().map(|it| it.dump().to_string());
    // The sanitizer makes frames larger.
    let reserve = if cfg!(gorge_asan) { 64 } else { 16 } * 1024;
    let text = runtime.run(|| {
        let small = goroutine::Builder::new().stack_reserve(reserve);
        small.spawn(dump).expect("a stack is taken later").join()
    });
    let text = text.expect("a value").expect("the runtime is there");
    assert!(
        text.contains(" [running]:\n") && text.contains(" [join]:\n"),
        "{text}"
    );
}

#[test]
fn a_goroutine_that_runs_elsewhere_has_no_frames() {
    in_each_placement(1, |runtime| {
        let (release, latch) = latch();
        let handle = runtime.go(move || latch.wait());
        let id = handle.goroutine().id();
        wait_for(|| find(&runtime.dump_states(), id).state == GoroutineState::Running);
        let goroutine = find(&runtime.dump(), handle.goroutine().id());
        assert!(goroutine.frames.is_empty());
        let text = goroutine.to_string();
        let line = "[running]:\n\tgoroutine running on other thread; stack unavailable\n";
        assert!(text.contains(line), "{text}");
        let states = find(&runtime.dump_states(), handle.goroutine().id());
        assert!(!states.to_string().contains("stack"), "{states}");
        drop(release);
        handle.join().expect("it ends");
    });
}

#[test]
fn equal_stacks_are_grouped() {
    in_each_placement(2, |runtime| {
        let handles: Vec<_> = (0..37).map(|_| runtime.go(|| five(park))).collect();
        let other = runtime.go(|| goroutine::sleep(Duration::from_secs(3600)));
        handles
            .iter()
            .for_each(|handle| drop(parked(runtime, handle)));
        parked(runtime, &other);
        let dump = runtime.dump();
        let text = dump.grouped().to_string();
        assert!(text.starts_with("37 goroutines: 1, 2, 3, "), "{text}");
        assert!(text.contains(", ... [park]:\n"), "{text}");
        assert!(text.contains("\n\ngoroutine 38 [sleep]:\n"), "{text}");
        assert_eq!(text.matches("fifth").count(), 1, "{text}");
        let sizes: Vec<_> = dump.grouped().groups().map(<[_]>::len).collect();
        assert_eq!(sizes, [37, 1]);
        assert_eq!(dump.to_string().matches("fifth").count(), 37);
        other.cancel();
        handles.into_iter().for_each(end);
    });
}
