//! The scheduler as loom sees it: the protocols of sleeping and waking, and
//! models that go through their interleavings.

#![allow(dead_code, reason = "the models use a part of the protocols")]

mod crew;
mod inbox;
#[cfg(test)]
mod loom;
mod permits;
mod sleeper;
mod starts;
