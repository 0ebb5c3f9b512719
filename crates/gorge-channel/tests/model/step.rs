//! What one party does with some channels, one step after the other.

use crate::operate::{Form, form};
use proptest::collection::vec;
use proptest::prelude::*;

/// How many channels there are.
pub(crate) const CHANNELS: usize = 3;

/// A case of a select: the channel, and whether it sends.
pub(crate) type Case = (usize, bool);

/// What becomes of a select's choice.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is completed with the handle that was added.
    Completed,
    /// It is completed with another handle of the channel.
    CompletedWithClone,
    /// It is never completed, because of a panic.
    Unwound,
}

/// A step. Where it would wait for ever it only tries, and where the handle that it needs
/// is gone it does nothing.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(usize, Form),
    /// So many values at once.
    SendMany(usize, usize),
    Receive(usize, Form),
    /// At most so many values at once.
    ReceiveMany(usize, usize),
    /// At most so many values, by an iterator that waits or one that does not.
    Iterate(usize, usize, bool),
    /// By a sender or a receiver.
    Close(usize, bool),
    /// Another sender or receiver.
    Clone(usize, bool),
    /// A sender or a receiver goes, perhaps the last one.
    Drop(usize, bool),
    /// Steps while a permit is held, which is then used or dropped.
    Permit(usize, bool, Vec<Step>),
    /// Steps between the choice and its completion.
    Select(Vec<Case>, bool, Form, Fate, Vec<Step>),
    Ready(Vec<Case>, bool, Form),
}

/// Channels of these capacities (`None` is without bound), and what is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) capacities: Vec<Option<usize>>,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn capacity() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![
        2 => Just(Some(0)),
        3 => Just(Some(1)),
        2 => (2usize..5).prop_map(Some),
        2 => Just(None),
    ]
}

fn cases(most: usize) -> impl Strategy<Value = Vec<Case>> {
    vec((0..CHANNELS, any::<bool>()), 0..=most)
}

fn simple() -> impl Strategy<Value = Step> {
    let channel = || 0..CHANNELS;
    // No time passes: nobody else is there to change anything meanwhile.
    let form = || form(1);
    prop_oneof![
        8 => (channel(), form()).prop_map(|(it, form)| Step::Send(it, form)),
        8 => (channel(), form()).prop_map(|(it, form)| Step::Receive(it, form)),
        2 => (channel(), 0usize..6).prop_map(|(it, count)| Step::SendMany(it, count)),
        2 => (channel(), 0usize..6).prop_map(|(it, most)| Step::ReceiveMany(it, most)),
        2 => (channel(), 0usize..6, any::<bool>())
            .prop_map(|(it, most, waits)| Step::Iterate(it, most, waits)),
        1 => (channel(), any::<bool>()).prop_map(|(it, end)| Step::Close(it, end)),
        2 => (channel(), any::<bool>()).prop_map(|(it, end)| Step::Clone(it, end)),
        2 => (channel(), any::<bool>()).prop_map(|(it, end)| Step::Drop(it, end)),
        2 => (cases(4), any::<bool>(), form())
            .prop_map(|(cases, biased, form)| Step::Ready(cases, biased, form)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    simple().prop_recursive(2, 12, 4, |inner| {
        let fate = prop_oneof![
            6 => Just(Fate::Completed),
            3 => Just(Fate::CompletedWithClone),
            1 => Just(Fate::Unwound),
        ];
        let inner = vec(inner, 0..4).boxed();
        // More than eight cases lie elsewhere.
        let some_cases = prop_oneof![6 => cases(5), 1 => cases(12)];
        prop_oneof![
            5 => simple(),
            1 => (0..CHANNELS, any::<bool>(), inner.clone())
                .prop_map(|(it, used, steps)| Step::Permit(it, used, steps)),
            2 => (some_cases, any::<bool>(), form(1), fate, inner).prop_map(
                |(cases, biased, form, fate, steps)| Step::Select(cases, biased, form, fate, steps)
            ),
        ]
    })
}

/// Any sequence.
pub(crate) fn sequence() -> impl Strategy<Value = Sequence> {
    (vec(capacity(), CHANNELS), vec(step(), 1..40))
        .prop_map(|(capacities, steps)| Sequence { capacities, steps })
}
