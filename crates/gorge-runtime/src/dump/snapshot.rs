//! One goroutine, looked at without stopping anybody.
//!
//! A parked goroutine is claimed for the moment ([`ParkCell::look`]): whoever wakes
//! it may do so, but the machine that is to resume it puts it back into its queue
//! until it is released. What is read of its stack meanwhile are the addresses of
//! its frames. A goroutine that is not parked cannot be claimed, so nobody looks
//! into one that runs.
//!
//! [`ParkCell::look`]: crate::park::ParkCell::look

use super::addresses::{Addresses, Trail};
use super::state::GoroutineState;
use super::walk::Walker;
use crate::goroutine::{G, GoroutineId};
use crate::monitor::span;
use crate::primitive::atomic::Ordering;
use crate::primitive::spin_hint;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// For how many looks a goroutine that is just leaving its stack is waited for.
const PATIENCE: u32 = 1000;

/// What is read of a goroutine at once.
pub(super) struct Reading {
    pub(super) id: GoroutineId,
    pub(super) name: Option<Arc<str>>,
    pub(super) state: GoroutineState,
    pub(super) object: usize,
    pub(super) waited: Duration,
    pub(super) site: Option<&'static Location<'static>>,
    pub(super) parent: GoroutineId,
    /// `None` when its stack could not be looked at.
    pub(super) addresses: Option<Addresses>,
}

/// Reads `g`; its frames too, if there is a walker. `None` when the G is between
/// two lives.
pub(super) fn read(g: &G, epoch: u32, walker: Option<&mut Walker>) -> Option<Reading> {
    let claim = Claim::of(g);
    let id = g.id();
    let state = GoroutineState::of(g)?;
    let is_waiting = state.is_waiting();
    let (object, since) = (g.cell.object(), g.cell.since());
    let (site, parent) = (g.site(), g.origin.parent.load(Ordering::Relaxed));
    let trail = match (walker, &claim) {
        (Some(walker), Some(claim)) if is_waiting => claim.walk(walker),
        _ => None,
    };
    drop(claim);
    let name = g.name_now().map(|name| Arc::from(name.as_str()));
    if g.id() != id {
        // The G has begun another life meanwhile: the name may be that one's.
        return None;
    }
    Some(Reading {
        id,
        name,
        state,
        object: if is_waiting { object } else { 0 },
        waited: if is_waiting {
            span(since, epoch)
        } else {
            Duration::ZERO
        },
        site,
        parent: GoroutineId::new(parent),
        addresses: trail.map(|trail| trail.addresses()),
    })
}

/// Keeps a parked goroutine as it is.
struct Claim<'a>(&'a G);

impl Claim<'_> {
    /// `None` when the goroutine is not parked, or somebody else has claimed it for
    /// longer than a moment.
    fn of(g: &G) -> Option<Claim<'_>> {
        for _ in 0..PATIENCE {
            if g.cell.look() {
                return Some(Claim(g));
            }
            if !g.cell.is_parked() {
                return None;
            }
            spin_hint();
        }
        None
    }

    /// The goroutine's frames. `None` when it has not left its stack yet. Neither
    /// allocates nor panics.
    fn walk(&self, walker: &mut Walker) -> Option<Trail> {
        for _ in 0..PATIENCE {
            // Acquire: pairs with the Release with which its machine left the
            // goroutine: all that it wrote on its stack is visible.
            if self.0.on_machine.load(Ordering::Acquire) == 0 {
                let mut trail = Trail::new();
                // SAFETY: the goroutine is parked, off its stack, and claimed:
                // whoever resumes it waits for this claim's end.
                unsafe { walker.walk(self.0.run.get(), &mut trail) };
                return Some(trail);
            }
            spin_hint();
        }
        None
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.cell.release();
    }
}
