//! Memory that stacks can give back: kept ones that nobody needs, and the deep
//! pages of goroutines that have been parked for a while.
//!
//! Kept stacks: every 100 ms, machines that sleep give up theirs, and of the
//! runtime's unneeded ones half give their pages back, until none is left.
//! Parked goroutines: every second, those that have been parked for one give back
//! what lies below their stack pointer, once for each park. Looking costs a tenth
//! of a microsecond, giving back two, and the monitor spends at most a tenth of
//! its time on it: three seconds after ten thousand goroutines have parked, their
//! stacks occupy what they use. With a million it takes half a minute.

use super::{is_idle, span};
use crate::goroutine::{G, Run};
use crate::primitive::atomic::Ordering;
use crate::scheduler::Shared;
use gorge_coroutine::stack::release_below;
use std::time::Duration;

const COOL_INTERVAL_NS: u64 = 100_000_000;
const SWEEP_INTERVAL_NS: u64 = 1_000_000_000;

/// How long a goroutine is parked before its stack is looked at.
const PARKED_MIN: Duration = Duration::from_secs(1);

/// How many Gs are looked at before the next look at the clock, and for how long
/// before the monitor sees to its other duties.
const BATCH: usize = 256;
const TURN_NS: u64 = 1_000_000;

/// The pause between two sweeps grows with the number of Gs.
const PAUSE_PER_G_NS: u64 = 4_000;

/// Where the monitor is with it.
#[derive(Default)]
pub(super) struct Memory {
    cool_at: u64,
    /// Nothing was left of kept stacks in this spell of idleness.
    cool_in: Option<u32>,
    sweep_at: u64,
    /// The next G of the sweep that goes on; `None` between two sweeps.
    position: Option<usize>,
    /// The spell of idleness in which the latest sweep began.
    swept_in: Option<u32>,
    /// A sweep saw goroutines that have not been parked for long enough.
    is_early: bool,
}

impl Memory {
    /// Does what is due. True when nothing would be left to do for a runtime
    /// that stays as it is.
    pub(super) fn look(&mut self, shared: &Shared, now: u64) -> bool {
        if now >= self.cool_at {
            self.cool_at = now + COOL_INTERVAL_NS;
            let spell = idle_spell(shared);
            self.cool_in = if cool(shared) { spell } else { None };
        }
        if self.position.is_none() && now >= self.sweep_at {
            let pause = shared.store.len() as u64 * PAUSE_PER_G_NS;
            self.sweep_at = now + pause.max(SWEEP_INTERVAL_NS);
            self.position = Some(0);
            self.is_early = false;
            self.swept_in = idle_spell(shared);
        }
        while let Some(position) = self.position {
            self.position = self.sweep(shared, position);
            if shared.clock.now() - now > TURN_NS {
                break;
            }
        }
        let is_swept = self.position.is_none() && !self.is_early;
        let spell = idle_spell(shared);
        spell.is_some() && self.cool_in == spell && is_swept && self.swept_in == spell
    }

    /// Looks at some Gs; returns where to go on.
    fn sweep(&mut self, shared: &Shared, position: usize) -> Option<usize> {
        let epoch = shared.monitor.epoch();
        let mut shrunk = 0;
        let next = shared.store.for_some(position, BATCH, |g| {
            let parked = span(g.cell.since(), epoch);
            if !g.cell.is_parked() {
                return;
            }
            if parked < PARKED_MIN {
                self.is_early = true;
            } else if shrink(g) {
                shrunk += 1;
            }
        });
        let counts = &shared.monitor.counts;
        counts.shrunk.fetch_add(shrunk, Ordering::Relaxed);
        next
    }
}

/// Numbers the times that the runtime is idle: nothing parks, and no stack is kept
/// anew, within one. `None` when a machine is active.
fn idle_spell(shared: &Shared) -> Option<u32> {
    let activations = shared.monitor.activations();
    is_idle(shared).then_some(activations)
}

/// One step of giving unneeded stacks back. True when there was nothing to do.
fn cool(shared: &Shared) -> bool {
    let mut stacks = Vec::new();
    shared.permits.for_each_idle(|number| {
        // SAFETY: the machine stays idle meanwhile.
        unsafe { shared.slots.get(number).processor.take_stacks(&mut stacks) };
    });
    let had_some = !stacks.is_empty();
    drop(stacks);
    let warm = shared.stacks.cool() + shared.segments.cool();
    warm == 0 && !had_some
}

/// Gives back what a parked goroutine's stack does not use. False when that was
/// done before in this park, or cannot be done now.
fn shrink(g: &G) -> bool {
    let ticket = g.cell.ticket();
    // Acquire: pairs with the Release with which its machine left the goroutine.
    if !g.cell.look() {
        return false;
    }
    let mut shrunk = false;
    if g.on_machine.load(Ordering::Acquire) == 0 && g.cell.ticket() == ticket {
        let run = g.run.get();
        // SAFETY: the goroutine is parked, off its stack, and claimed: whoever
        // resumes it waits for the release below. Nothing else uses its stack,
        // fiber or extras meanwhile, and none of its code runs. If it waits on
        // its own stack, its position is above all that it does not use.
        unsafe {
            if (*run).shrunk_at != ticket && Run::is_on_own_stack(run) {
                (*run).shrunk_at = ticket;
                if let Some(stack) = &(*run).stack {
                    let position = (*run).fiber.assume_init_ref().stack_pointer();
                    shrunk = release_below(stack, position);
                }
            }
        }
    }
    g.cell.release();
    shrunk
}
