//! The real clock, interpolated with the processor's time stamp counter.
//!
//! Each thread keeps an *anchor*: a reading of the clock and of the counter at the same
//! moment. For a millisecond the time is the anchor's, plus the ticks since then; after that
//! the thread takes a new anchor. How long a tick is comes from two readings that are further
//! apart: the process's first one and the latest one.
//!
//! **How wrong it can be.** Ten milliseconds go by before a tick's length is used at all, so it
//! is known to some parts in a hundred thousand, and a reading is some nanoseconds off. An
//! anchor serves for a millisecond of ticks, so whatever the counter does (another processor's
//! differs, a virtual machine is moved), the error is a millisecond at most. If an anchor turns
//! out to have predicted wrongly, the counter is not used any more.

use super::{real_nanos, virtual_nanos};
use crate::primitive::atomic::{AtomicBool, Ordering};
use std::cell::Cell;
use std::sync::OnceLock;

/// One reading of both, and what follows from it for a while.
#[derive(Clone, Copy)]
struct Anchor {
    ticks: u64,
    nanos: u64,
    /// Nanoseconds of a tick, shifted by [`FRACTION`].
    tick: u64,
    /// For so many ticks it is good. Zero: there is none.
    good_for: u64,
}

/// An anchor, in parts: a reading takes only what it needs.
struct Kept {
    ticks: Cell<u64>,
    nanos: Cell<u64>,
    tick: Cell<u64>,
    good_for: Cell<u64>,
}

const FRACTION: u32 = 32;
/// How long an anchor is good, in nanoseconds.
const GOOD_FOR: u64 = 1_000_000;
/// How far apart two readings are at least that give the length of a tick.
const BASELINE: u64 = 10_000_000;
/// Two readings of the counter around one of the clock that differ by more were disturbed.
const AT_ONCE: u64 = 2_000;

thread_local! {
    /// A thread whose goroutines have a virtual clock never has one.
    static ANCHOR: Kept = const {
        let [ticks, nanos, tick, good_for] = [const { Cell::new(0) }; 4];
        Kept { ticks, nanos, tick, good_for }
    };
}

#[inline(always)]
pub(super) fn nanos() -> u64 {
    ANCHOR.with(|anchor| {
        let age = counter().wrapping_sub(anchor.ticks.get());
        if age < anchor.good_for.get() {
            return anchor.nanos.get() + ((age * anchor.tick.get()) >> FRACTION);
        }
        virtual_nanos().unwrap_or_else(|| renew(anchor))
    })
}

pub(super) fn forget() {
    ANCHOR.with(|anchor| anchor.good_for.set(0));
}

impl Kept {
    fn get(&self) -> Anchor {
        Anchor {
            ticks: self.ticks.get(),
            nanos: self.nanos.get(),
            tick: self.tick.get(),
            good_for: self.good_for.get(),
        }
    }

    fn set(&self, anchor: Anchor) {
        self.ticks.set(anchor.ticks);
        self.nanos.set(anchor.nanos);
        self.tick.set(anchor.tick);
        self.good_for.set(anchor.good_for);
    }
}

#[allow(unused_unsafe, reason = "newer compilers have it safe")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it only reads.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Reads the clock, and takes a new anchor if that is possible.
#[cold]
#[inline(never)]
fn renew(kept: &Kept) -> u64 {
    /// The first reading of the process: ticks and nanoseconds.
    static FIRST: OnceLock<(u64, u64)> = OnceLock::new();
    static IS_UNSTEADY: AtomicBool = AtomicBool::new(false);

    let old = kept.get();
    let ticks = counter();
    let nanos = real_nanos();
    let took = counter().wrapping_sub(ticks);
    // Relaxed: who does not see it yet makes an error that is allowed.
    if took > AT_ONCE || IS_UNSTEADY.load(Ordering::Relaxed) || !is_invariant() {
        return nanos;
    }
    if old.good_for != 0 && !old.predicts(ticks, nanos) {
        IS_UNSTEADY.store(true, Ordering::Relaxed);
        kept.good_for.set(0);
        return nanos;
    }
    let (first_ticks, first_nanos) = *FIRST.get_or_init(|| (ticks, nanos));
    let elapsed = nanos.saturating_sub(first_nanos);
    let ticked = ticks.wrapping_sub(first_ticks);
    if elapsed < BASELINE || ticked == 0 {
        return nanos;
    }
    let tick = (u128::from(elapsed) << FRACTION) / u128::from(ticked);
    // A counter between 62 MHz and 32 GHz, so that nothing below overflows.
    if let Ok(tick @ 0x0800_0000..=0x0010_0000_0000) = u64::try_from(tick) {
        let good_for = (GOOD_FOR << FRACTION) / tick;
        kept.set(Anchor {
            ticks,
            nanos,
            tick,
            good_for,
        });
    }
    nanos
}

impl Anchor {
    /// Whether this reading is about what the anchor leads to expect. After a long time that
    /// says nothing.
    fn predicts(&self, ticks: u64, nanos: u64) -> bool {
        let Some(elapsed) = nanos.checked_sub(self.nanos) else {
            return false;
        };
        if elapsed > 100 * GOOD_FOR {
            return true;
        }
        let age = u128::from(ticks.wrapping_sub(self.ticks));
        let predicted = (age * u128::from(self.tick)) >> FRACTION;
        // A thousandth, and what a disturbance between the two reads may add.
        predicted.abs_diff(u128::from(elapsed)) <= 20_000 + u128::from(elapsed >> 10)
    }
}

/// Whether the processor says that its counter runs at one speed, whatever it does.
fn is_invariant() -> bool {
    const EXTENDED: u32 = 0x8000_0000;
    const POWER: u32 = 0x8000_0007;
    static IS_INVARIANT: OnceLock<bool> = OnceLock::new();
    *IS_INVARIANT.get_or_init(|| cpuid(EXTENDED).0 >= POWER && cpuid(POWER).1 & (1 << 8) != 0)
}

/// The registers EAX and EDX that the processor answers with.
#[allow(unused_unsafe, reason = "newer compilers have it safe")]
fn cpuid(leaf: u32) -> (u32, u32) {
    // SAFETY: every x86-64 processor has the instruction, and it only reads.
    let answer = unsafe { std::arch::x86_64::__cpuid(leaf) };
    (answer.eax, answer.edx)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: Anchor = Anchor {
        ticks: u64::MAX - 10,
        nanos: 5_000,
        // Half a nanosecond.
        tick: 1 << (FRACTION - 1),
        good_for: 2 * GOOD_FOR,
    };

    #[test]
    fn an_anchor_that_holds_is_believed_over_the_counters_wrap() {
        let later = ANCHOR.ticks.wrapping_add(2_000_000);
        assert!(ANCHOR.predicts(later, 1_005_000));
        assert!(ANCHOR.predicts(later, 1_006_000));
        assert!(!ANCHOR.predicts(later, 2_005_000), "half the speed");
        assert!(!ANCHOR.predicts(later, 4_000), "back in time");
        assert!(
            ANCHOR.predicts(later, 500_000_000),
            "after so long it says nothing"
        );
    }

    #[test]
    fn a_counter_that_jumps_is_not_believed() {
        assert!(!ANCHOR.predicts(ANCHOR.ticks.wrapping_sub(1_000), 6_000));
        assert!(!ANCHOR.predicts(ANCHOR.ticks.wrapping_add(1 << 40), 6_000));
    }
}
