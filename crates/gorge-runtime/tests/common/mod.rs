//! Runs a test body in every setting: both placements, one processor and more.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use gorge_runtime::{Builder, Runtime};

/// A runtime's configuration, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) migrating: bool,
    pub(crate) procs: usize,
}

impl Setting {
    pub(crate) fn runtime(self) -> Runtime {
        self.runtime_with(|builder| builder)
    }

    /// With further options.
    pub(crate) fn runtime_with(self, options: impl FnOnce(Builder) -> Builder) -> Runtime {
        let builder = options(Runtime::builder().max_procs(self.procs));
        let builder = if self.migrating {
            // SAFETY: the tests' goroutines hold no reference into a
            // thread-local and no thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        builder.build().expect("a runtime")
    }
}

/// Calls `body` with a fresh runtime of each setting, on an OS thread.
pub(crate) fn in_each_setting(body: impl Fn(&Runtime)) {
    for procs in [1, 2, 4] {
        in_each_placement(procs, &body);
    }
}

/// As [`in_each_setting`], with a given number of processors.
pub(crate) fn in_each_placement(procs: usize, body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        let setting = Setting { migrating, procs };
        eprintln!("{setting:?}");
        body(&setting.runtime());
    }
}

/// Yields until `condition` holds. A hang is ended by the test runner's limit.
pub(crate) fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        gorge_runtime::yield_now();
    }
}
