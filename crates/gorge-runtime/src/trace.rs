//! Trace hooks: where an execution tracer will listen.
//!
//! Every scheduling event passes through one of these. They are empty, and
//! cost nothing, until there is a tracer.

use crate::goroutine::GoroutineId;

/// A goroutine was created by `parent` (zero: not by a goroutine).
#[inline(always)]
pub(crate) fn spawn(_id: GoroutineId, _parent: u64) {}

/// A goroutine became runnable.
#[inline(always)]
pub(crate) fn ready(_id: GoroutineId) {}

/// A machine begins to run a goroutine.
#[inline(always)]
pub(crate) fn run(_id: GoroutineId, _machine: usize) {}

/// A goroutine left its machine to wait.
#[inline(always)]
pub(crate) fn park(_id: GoroutineId) {}

/// A processor took work from another one's queue.
#[inline(always)]
pub(crate) fn steal(_thief: usize, _victim: usize) {}

/// A goroutine handed a closure to the blocking pool.
#[inline(always)]
pub(crate) fn hand_off(_id: GoroutineId) {}
