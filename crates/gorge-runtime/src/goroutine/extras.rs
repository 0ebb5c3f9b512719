//! What few goroutines have: more stack, a thread of their own, a weight, locals, a
//! place among those that a test for leaks answers for.

use super::local::Locals;
use super::pin::Pinned;
use crate::dump::Addresses;
use crate::leak::Membership;
use crate::primitive::atomic::AtomicU32;
use crate::stack::Grown;
use std::ptr::NonNull;

/// See the module's description. Part of [`Run`](super::Run), with the same owner,
/// but for `weighs_on`, which is the queue's that the goroutine is in.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) grown: Grown,
    /// In a frame of the goroutine, while it is pinned.
    pub(crate) pinned: Option<NonNull<Pinned>>,
    /// What it weighs in a run queue beyond one.
    pub(crate) weight: u32,
    /// The processor (slot number) whose queue it weighs on; zero for none.
    pub(crate) weighs_on: AtomicU32,
    /// Where it began its last panic, if a report of that shows the calls.
    pub(crate) panicked_in: Option<Addresses>,
    pub(crate) locals: Locals,
    /// Whose test for leaks it belongs to.
    pub(crate) membership: Option<Membership>,
}
