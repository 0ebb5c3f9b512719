//! What few goroutines have: more stack, a thread of their own, a weight.

use super::pin::Pinned;
use crate::stack::Grown;
use std::ptr::NonNull;

/// See the module's description. Part of [`Run`](super::Run), with the same owner.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) grown: Grown,
    /// In a frame of the goroutine, while it is pinned.
    pub(crate) pinned: Option<NonNull<Pinned>>,
    /// What it weighs in a run queue beyond one.
    pub(crate) weight: u32,
    /// The processor (slot number) whose queue it weighs on; zero for none.
    pub(crate) weighs_on: u32,
}
