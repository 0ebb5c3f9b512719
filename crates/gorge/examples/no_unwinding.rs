//! What goroutines do in a program that is built with `panic = "abort"`: everything
//! but unwinding. `cargo run --profile abort -p gorge --example no_unwinding`
//!
//! Nothing can make a goroutine end that waits: a cancel is not delivered to one that
//! has started, and dropping the runtime leaves those that are left where they are,
//! with their stacks and threads. A panic ends the process.

use gorge::channel::bounded;
use gorge::{Runtime, blocking, go, goroutine, scope, yield_now};
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// With this argument, the program panics on a goroutine.
const PANIC: &str = "panic";

/// How the system says that a process has aborted.
const SIGABRT: i32 = 6;

fn main() {
    if env::args().nth(1).is_some_and(|argument| argument == PANIC) {
        Runtime::new()
            .expect("a runtime")
            .run(|| drop(go(|| panic!("the last words")).join()));
        println!("caught, as this build can unwind");
        return;
    }
    let unwinds = cfg!(panic = "unwind");
    println!("this build can unwind: {unwinds}");
    everything_else();
    println!("goroutines run, lend and wait");
    cancels(unwinds);
    println!(
        "cancels: {}",
        if unwinds {
            "delivered"
        } else {
            "not delivered to the started"
        }
    );
    let dropped = endings();
    assert_eq!(dropped, if unwinds { 100 } else { 0 });
    println!("a runtime's end: {dropped} of 100 goroutines unwound");
    panics(unwinds);
}

/// What works in either build.
fn everything_else() {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let words = ["some", "words"];
    let letters = runtime.run(|| {
        let (sender, receiver) = bounded(words.len());
        scope(|s| {
            for word in &words {
                let sender = sender.clone();
                s.spawn(move || sender.send(blocking(|| word.len())));
            }
        });
        receiver.iter().take(words.len()).sum::<usize>()
    });
    assert_eq!(letters, 9);
}

/// One goroutine is cancelled before it starts, the other while it waits.
fn cancels(unwinds: bool) {
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    runtime.run(|| {
        let queued = go(|| ());
        queued.cancel();
        assert!(queued.join().is_err_and(|error| error.is_cancelled()));

        let (sender, receiver) = bounded(0);
        let waiting = go(move || receiver.recv());
        yield_now();
        waiting.cancel();
        (0..10).for_each(|_| yield_now());
        assert_eq!(waiting.is_finished(), unwinds);
        // It is as good as before: it gets its value.
        assert_eq!(sender.send(7).is_ok(), !unwinds);
        match waiting.join() {
            Ok(value) => assert!(!unwinds && value == Ok(7)),
            Err(error) => assert!(unwinds && error.is_cancelled()),
        }
    });
}

/// How many waiting goroutines the end of their runtime unwinds.
fn endings() -> usize {
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let drops = Arc::new(AtomicUsize::new(0));
    let parked = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (counted, parked) = (Counted(drops.clone()), parked.clone());
        runtime.go(move || {
            let _counted = counted;
            parked.fetch_add(1, Ordering::SeqCst);
            goroutine::park_forever();
        });
    }
    while parked.load(Ordering::SeqCst) < 100 {
        yield_now();
    }
    drop(runtime);
    drops.load(Ordering::SeqCst)
}

/// A panic on a goroutine, in a process of its own.
fn panics(unwinds: bool) {
    let mut child = Command::new(env::current_exe().expect("this program"));
    let output = child.arg(PANIC).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("the last words"), "{text}");
    assert_eq!(output.status.success(), unwinds, "{text}");
    assert_eq!(
        output.status.signal(),
        (!unwinds).then_some(SIGABRT),
        "{text}"
    );
    println!("a panic ends the process: {}", !unwinds);
}
