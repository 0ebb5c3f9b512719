//! Where the parties of a test run. Each test body runs once per setting: all
//! parties OS threads, all homed goroutines, all migrating goroutines, or a
//! mixture of threads and goroutines.
//!
//! ```ignore
//! #[test]
//! fn a_value_arrives() {
//!     everywhere(|parties| {
//!         let (sender, receiver) = bounded(0);
//!         parties.scope(|scope| {
//!             scope.spawn(|| sender.send(1).unwrap());
//!             assert_eq!(receiver.recv(), Ok(1));
//!         });
//!     });
//! }
//! ```

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads, against the real clock"
)]

use gorge_runtime::{Builder, Runtime, blocking, goroutine};
use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than any test waits for something that happens.
pub const LONG: Duration = Duration::from_secs(60);
/// A timeout that is meant to pass.
pub const SHORT: Duration = Duration::from_millis(10);

/// What the parties of a test are.
#[derive(Clone, Copy, Debug)]
pub enum Setting {
    Threads,
    Goroutines {
        migrating: bool,
        procs: usize,
    },
    /// The first party is an OS thread; of the others, every second one is.
    Mixed,
}

static THREADS_ENDED: AtomicUsize = AtomicUsize::new(0);

const SETTINGS: &[Setting] = &[
    Setting::Threads,
    Setting::Goroutines {
        migrating: false,
        procs: 1,
    },
    Setting::Goroutines {
        migrating: false,
        procs: 2,
    },
    Setting::Goroutines {
        migrating: true,
        procs: 2,
    },
    Setting::Mixed,
];

/// Runs a test's body in every setting, as one of the parties.
pub fn everywhere(body: impl Fn(Setting) + Sync) {
    for &setting in SETTINGS {
        let run = || match setting {
            Setting::Threads | Setting::Mixed => body(setting),
            Setting::Goroutines { migrating, procs } => {
                runtime(migrating, procs).run(|| body(setting));
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("in setting {setting:?}");
            resume_unwind(panic);
        }
    }
}

fn runtime(migrating: bool, procs: usize) -> Runtime {
    build(Runtime::builder().max_procs(procs), migrating)
}

/// A runtime whose goroutines stay at home, or migrate.
pub fn build(builder: Builder, migrating: bool) -> Runtime {
    let builder = if migrating {
        // SAFETY: the tests' goroutines hold no reference into a thread-local
        // and no thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

/// Runs a body in virtual time, in several orders of events.
pub fn in_virtual_time(body: impl Fn() + Sync) {
    for seed in 0..20 {
        let run = || build(Runtime::builder().simulated(seed), seed % 2 == 1).run(&body);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("with seed {seed}");
            resume_unwind(panic);
        }
    }
}

impl Setting {
    /// Runs parties that may borrow, and waits for them.
    pub fn scope<'env, R>(self, body: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> R) -> R {
        match self {
            Setting::Threads => {
                let result = thread::scope(|scope| body(&Scope::Threads(scope)));
                // Acquire: pairs with the ends of the threads. The scope sees to
                // that already, but not in the eyes of ThreadSanitizer, for
                // which std is a black box.
                THREADS_ENDED.load(Ordering::Acquire);
                result
            }
            Setting::Goroutines { .. } => goroutine::scope(|scope| body(&Scope::Goroutines(scope))),
            Setting::Mixed => {
                let result = thread::scope(|threads| {
                    goroutine::scope(|goroutines| {
                        // SAFETY: the two scopes differ in their lifetimes
                        // only. What is started in the inner one ends before
                        // the outer one does, and `body` keeps nothing of it.
                        let goroutines = unsafe {
                            mem::transmute::<&goroutine::Scope<'_, '_>, &goroutine::Scope<'_, '_>>(
                                goroutines,
                            )
                        };
                        body(&Scope::Mixed(threads, goroutines, Cell::new(false)))
                    })
                });
                THREADS_ENDED.load(Ordering::Acquire);
                result
            }
        }
    }

    /// Gives the other parties time to block. What a test asserts holds whether
    /// or not they have: this only makes the interesting order likely.
    pub fn settle(self) {
        goroutine::sleep(Duration::from_millis(5));
    }

    /// Lets other parties run.
    pub fn pause(self) {
        gorge_runtime::yield_now();
    }

    /// Waits until a condition holds.
    pub fn until(self, mut condition: impl FnMut() -> bool) {
        while !condition() {
            self.pause();
        }
    }
}

/// Starts parties.
pub enum Scope<'scope, 'env> {
    Threads(&'scope thread::Scope<'scope, 'env>),
    Goroutines(&'scope goroutine::Scope<'scope, 'env>),
    /// The cell says whether the next party is a thread.
    Mixed(
        &'scope thread::Scope<'scope, 'env>,
        &'scope goroutine::Scope<'scope, 'env>,
        Cell<bool>,
    ),
}

/// A party that was started.
pub enum Party<'scope, T> {
    Thread(thread::ScopedJoinHandle<'scope, T>),
    Goroutine(goroutine::ScopedJoinHandle<'scope, T>),
}

impl<'scope> Scope<'scope, '_> {
    pub fn spawn<T: Send + 'scope>(
        &self,
        body: impl FnOnce() -> T + Send + 'scope,
    ) -> Party<'scope, T> {
        match self {
            Scope::Threads(threads) => spawn_thread(threads, body),
            Scope::Goroutines(goroutines) => Party::Goroutine(goroutines.spawn(body)),
            Scope::Mixed(threads, goroutines, next_is_thread) => {
                if next_is_thread.replace(!next_is_thread.get()) {
                    spawn_thread(threads, body)
                } else {
                    Party::Goroutine(goroutines.spawn(body))
                }
            }
        }
    }
}

fn spawn_thread<'scope, T: Send + 'scope>(
    threads: &'scope thread::Scope<'scope, '_>,
    body: impl FnOnce() -> T + Send + 'scope,
) -> Party<'scope, T> {
    Party::Thread(threads.spawn(|| {
        let result = body();
        THREADS_ENDED.fetch_add(1, Ordering::Release);
        result
    }))
}

impl<T> Party<'_, T> {
    /// Waits for the party's result, and panics if it has.
    pub fn join(self) -> T
    where
        T: Send,
    {
        match self {
            // A goroutine that waits for a thread lends it no worker.
            Party::Thread(thread) => {
                blocking(|| thread.join()).unwrap_or_else(|panic| resume_unwind(panic))
            }
            Party::Goroutine(goroutine) => goroutine
                .join()
                .unwrap_or_else(|error| resume_unwind(error.into_panic())),
        }
    }
}

/// Counts the values that were made and not dropped, and notices double drops.
#[derive(Default)]
pub struct Census {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// A value that a [`Census`] counts.
pub struct Counted<'a> {
    census: &'a Census,
    alive: Box<bool>,
    pub number: usize,
}

impl Census {
    pub fn value(&self, number: usize) -> Counted<'_> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Counted {
            census: self,
            alive: Box::new(true),
            number,
        }
    }

    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    pub fn alive(&self) -> usize {
        self.made.load(Ordering::SeqCst) - self.dropped()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        assert!(
            std::mem::replace(&mut *self.alive, false),
            "a value was dropped twice"
        );
        self.census.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Small random numbers (xorshift), the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
