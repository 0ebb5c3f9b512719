//! Criterion benches: one question per file in `benches/`. This library holds
//! what they share: a runtime per setting, and timing inside a goroutine; and what
//! the programs of `cargo xtask bench` do: [`program`] says how they are called,
//! [`channels`] and [`workloads`] what they are asked for.

pub mod channels;
pub mod program;
pub mod workloads;

use criterion::{BenchmarkGroup, measurement::WallTime};
use gorge::{Builder, Runtime};
use std::time::{Duration, Instant};

/// Both placements, at one processor and at two.
pub const SETTINGS: [Setting; 4] = [
    Setting {
        migrating: false,
        procs: 1,
    },
    Setting {
        migrating: false,
        procs: 2,
    },
    Setting {
        migrating: true,
        procs: 1,
    },
    Setting {
        migrating: true,
        procs: 2,
    },
];

/// A runtime's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Whether goroutines may change threads.
    pub migrating: bool,
    /// Worker threads.
    pub procs: usize,
}

impl Setting {
    /// The setting's part of a benchmark's name.
    pub fn name(self) -> String {
        let placement = if self.migrating { "migrating" } else { "homed" };
        format!("{placement}/P={}", self.procs)
    }

    /// A fresh runtime.
    pub fn runtime(self) -> Runtime {
        self.runtime_with(|builder| builder)
    }

    /// A fresh runtime with further options.
    pub fn runtime_with(self, options: impl FnOnce(Builder) -> Builder) -> Runtime {
        let builder = options(Runtime::builder().max_procs(self.procs));
        let builder = if self.migrating {
            // SAFETY: the benches' goroutines hold no reference into a
            // thread-local and no thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        builder.build().expect("a runtime")
    }
}

/// Benches `work` in every setting. It gets a number of operations to do, on
/// the main goroutine of a runtime, and criterion gets the time per operation.
pub fn in_each_setting(group: &mut BenchmarkGroup<'_, WallTime>, work: fn(u64)) {
    for setting in SETTINGS {
        let runtime = setting.runtime();
        group.bench_function(setting.name(), |bencher| {
            bencher.iter_custom(|operations| runtime.run(|| time(|| work(operations))));
        });
    }
}

/// How long `work` takes on the wall clock.
#[allow(clippy::disallowed_methods, reason = "benches measure real time")]
pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
