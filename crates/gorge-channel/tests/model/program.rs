//! Programs: what a few parties do at the same time.

use crate::operate::{Form, form};
use crate::step::{CHANNELS, Case, capacity};
use proptest::collection::vec;
use proptest::prelude::*;

/// What a party does next.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send(usize, Form),
    Receive(usize, Form),
    /// A select by a builder, biased or not. A send that is chosen is completed, or first
    /// lets others run.
    Select(Vec<Case>, bool, Form, bool),
    Ready(Vec<Case>, Form),
    /// A permit: an act while it is held, and whether it is used.
    Permit(usize, Option<Plain>, bool),
    Close(usize),
    Len(usize),
    IsFull(usize),
    IsClosed(usize),
    Pause,
}

/// An act that promises nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plain {
    Send(usize, Form),
    Receive(usize, Form),
}

/// See the module's description.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// `None` for no bound.
    pub(crate) capacities: Vec<Option<usize>>,
    pub(crate) parties: Vec<Vec<Act>>,
}

/// Waits are short: a timeout is meant to meet something else.
const MICROS: u64 = 60;

fn act() -> impl Strategy<Value = Act> {
    let channel = || 0..CHANNELS;
    // Most parties meet on the first channel.
    let often = || prop_oneof![3 => Just(0), 1 => 0..CHANNELS];
    let form = || form(MICROS);
    let cases = || vec((0..CHANNELS, any::<bool>()), 1..4);
    let plain = prop_oneof![
        (often(), form()).prop_map(|(it, form)| Plain::Send(it, form)),
        (often(), form()).prop_map(|(it, form)| Plain::Receive(it, form)),
    ];
    prop_oneof![
        6 => (often(), form()).prop_map(|(it, form)| Act::Send(it, form)),
        6 => (often(), form()).prop_map(|(it, form)| Act::Receive(it, form)),
        5 => (cases(), any::<bool>(), form(), any::<bool>())
            .prop_map(|(cases, biased, form, pauses)| Act::Select(cases, biased, form, pauses)),
        1 => (cases(), form()).prop_map(|(cases, form)| Act::Ready(cases, form)),
        2 => (often(), proptest::option::of(plain), any::<bool>())
            .prop_map(|(it, meanwhile, used)| Act::Permit(it, meanwhile, used)),
        1 => channel().prop_map(Act::Close),
        1 => often().prop_map(Act::Len),
        1 => often().prop_map(Act::IsFull),
        1 => often().prop_map(Act::IsClosed),
        3 => Just(Act::Pause),
    ]
}

/// Any program of two to four parties.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    (vec(capacity(), CHANNELS), vec(vec(act(), 1..7), 2..=4)).prop_map(|(capacities, parties)| {
        Program {
            capacities,
            parties,
        }
    })
}
