//! Runs a test's body in every setting: where its parties live.
//!
//! A body starts parties with [`Setting::start`], and waits for conditions with
//! [`Setting::until`], never for a time to pass.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::disallowed_methods, reason = "tests start threads")]

use gorge_runtime::{JoinHandle, Runtime, blocking, goroutine};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Where the parties of a test live.
#[derive(Clone, Copy, Debug)]
pub enum Setting {
    /// Each is an OS thread.
    Threads,
    /// Each is a goroutine.
    Goroutines { migrating: bool, procs: usize },
    /// Every second one is a goroutine of the default runtime.
    Mixed,
}

const SETTINGS: [Setting; 5] = [
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

/// Something that runs beside the body.
pub enum Party<T> {
    Thread(thread::JoinHandle<T>),
    Goroutine(JoinHandle<T>),
}

/// Runs `body` in each setting.
pub fn for_each_setting(body: impl Fn(Setting) + Send + Sync + Copy + 'static) {
    for setting in SETTINGS {
        let run = || match setting {
            Setting::Goroutines { migrating, procs } => {
                runtime(migrating, procs).run(|| body(setting));
            }
            Setting::Threads | Setting::Mixed => setting.start(move || body(setting)).join(),
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("in setting {setting:?}");
            resume_unwind(panic);
        }
    }
}

fn runtime(migrating: bool, procs: usize) -> Runtime {
    let builder = Runtime::builder().max_procs(procs);
    let builder = if migrating {
        // SAFETY: the tests' goroutines hold no reference into a thread-local
        // and no thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

impl Setting {
    /// Starts a party.
    pub fn start<T, F>(self, f: F) -> Party<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        match self {
            Setting::Threads => Party::Thread(thread::spawn(f)),
            Setting::Goroutines { .. } => Party::Goroutine(gorge_runtime::go(f)),
            Setting::Mixed if STARTED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                Party::Thread(thread::spawn(f))
            }
            Setting::Mixed => Party::Goroutine(gorge_runtime::go(f)),
        }
    }

    /// Starts `n` parties, which get their numbers, and waits for all.
    pub fn run_all<F>(self, n: usize, f: F)
    where
        F: Fn(usize) + Clone + Send + 'static,
    {
        let parties: Vec<_> = (0..n)
            .map(|i| {
                let f = f.clone();
                self.start(move || f(i))
            })
            .collect();
        parties.into_iter().for_each(Party::join);
    }

    /// Lets others run for a moment.
    pub fn pause(self) {
        goroutine::sleep(Duration::from_micros(100));
    }

    /// Waits until `condition` holds.
    pub fn until(self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..600_000 {
            if condition() {
                return;
            }
            self.pause();
        }
        panic!("{self:?}: waited in vain until {what}");
    }
}

impl<T: Send> Party<T> {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        match self {
            Party::Thread(thread) => thread.is_finished(),
            Party::Goroutine(goroutine) => goroutine.is_finished(),
        }
    }

    /// Waits for its end; continues its panic.
    pub fn join(self) -> T {
        self.result().unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn result(self) -> thread::Result<T> {
        match self {
            // A goroutine that waits for a thread lends it no worker.
            Party::Thread(thread) => blocking(|| thread.join()),
            Party::Goroutine(goroutine) => goroutine
                .join()
                .map_err(gorge_runtime::JoinError::into_panic),
        }
    }

    /// Waits for its end, which is a panic with this message.
    pub fn panic_message(self) -> String {
        let Err(panic) = self.result() else {
            panic!("the party did not panic")
        };
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().expect("a panic with a text")).to_owned(),
        }
    }
}
