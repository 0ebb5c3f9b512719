//! Channels without a select: what their operations do, for one and for many, to the end.
//!
//! * one operation at a time: [`sending`], [`iterating`], [`closing`], [`cancelling`],
//!   [`panicked`], and values that nobody receives: [`dropping`];
//! * channels that live briefly or are passed on: [`mpsc`], [`hand_over`], [`golang`];
//! * many values at once: [`many`];
//! * many parties: [`crowd`], [`visibility`];
//! * channels and what runs them: [`scheduling`], [`fairness`], [`dump`], [`thread_locals`].
#![cfg(not(gorge_loom))]

#[path = "../common/mod.rs"]
mod common;

mod cancelling;
mod closing;
mod crowd;
mod dropping;
mod dump;
mod fairness;
mod golang;
mod hand_over;
mod iterating;
mod many;
mod mpsc;
mod panicked;
mod scheduling;
mod sending;
mod thread_locals;
mod visibility;
