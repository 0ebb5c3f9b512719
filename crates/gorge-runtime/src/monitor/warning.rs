//! What the monitor says about goroutines that keep a thread to themselves.
//!
//! Goroutines that are at home on that thread wait for it, and nothing can be
//! done for them. Each place that starts such goroutines is named once.

use super::stuck::Cause;
use crate::primitive::atomic::Ordering;
use crate::report::report;
use crate::scheduler::{Shared, Slot};
use std::collections::HashSet;
use std::panic::Location;

/// Which spawn sites have been named.
#[derive(Default)]
pub(super) struct Warnings {
    named: HashSet<Option<&'static Location<'static>>>,
}

impl Warnings {
    /// A machine is stuck, and its permit was taken: warns if others are at home
    /// there.
    pub(super) fn warn(&mut self, shared: &Shared, slot: &Slot, cause: Cause) {
        let Some(g) = slot.running() else {
            return;
        };
        // SAFETY: the store keeps all Gs while the runtime is there; what is
        // read of one is atomic, or locked.
        let g = unsafe { g.as_ref() };
        let siblings = slot
            .residents()
            .saturating_sub(u32::from(g.home() == slot.number()));
        if siblings == 0 {
            return;
        }
        shared
            .monitor
            .counts
            .stranded
            .fetch_add(u64::from(siblings), Ordering::Relaxed);
        let site = g.site();
        if !self.named.insert(site) {
            return;
        }
        let name = g
            .name_now()
            .map_or(String::new(), |name| format!(" {name:?}"));
        let site = site.map_or(String::new(), |site| format!(" (started at {site})"));
        let deed = match cause {
            Cause::Hog => "computes without a pause: call gorge::checkpoint() in its loop",
            _ => "blocks its thread: call what blocks through gorge::blocking",
        };
        report(format_args!(
            "gorge: goroutine {}{name}{site} {deed}. Goroutines that wait for it because \
             they are at home on its thread: up to {siblings}.",
            g.id()
        ));
    }
}
