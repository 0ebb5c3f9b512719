//! Programs: what some goroutines do with what they share, and when which of them
//! is cancelled.

use proptest::collection::vec;
use proptest::prelude::*;

/// How many channels, mutexes and initialisers there are.
pub(crate) const CHANNELS: usize = 3;
pub(crate) const MUTEXES: usize = 2;
pub(crate) const ONCES: usize = 2;
/// How many permits the semaphore has.
pub(crate) const PERMITS: usize = 3;

/// The form of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Waits,
    /// Waits for so many microseconds.
    Timed(u64),
    Tries,
}

/// What a goroutine does next.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Send(usize, Form),
    Receive(usize, Form),
    /// Receives at most so many values by an iterator.
    Iterate(usize, Form, usize),
    Close(usize),
    Yield,
    Checkpoint,
    /// For so many microseconds.
    Sleep(u64),
    Blocking,
    /// Cancels one of the first goroutines, perhaps itself.
    Cancel(usize),
    /// Operations while it holds a mutex.
    Lock(usize, Form, Vec<Op>),
    /// Operations while it holds so many permits.
    Permits(usize, Form, Vec<Op>),
    /// Operations in an initialiser.
    Once(usize, Vec<Op>),
    /// Operations while it is counted.
    Counted(Vec<Op>),
    /// Operations of a goroutine that is counted.
    GroupGo(Vec<Op>),
    GroupWait(Form),
    /// Operations of a goroutine that it starts, and what it does with the handle.
    Spawn(Vec<Op>, Fate),
    /// Operations of goroutines that borrow.
    Scope(Vec<Vec<Op>>),
    Shield(Vec<Op>),
    /// Operations whose cancel it catches.
    Catch(Vec<Op>),
}

/// What becomes of a join handle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Joined,
    Detached,
    CancelledAndJoined,
    CancelledAndDetached,
}

/// A cancel from outside of the goroutines.
#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) whom: usize,
    /// After so many yields.
    pub(crate) delay: usize,
    pub(crate) from_a_thread: bool,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// `None` for no bound.
    pub(crate) capacities: Vec<Option<usize>>,
    pub(crate) goroutines: Vec<Vec<Op>>,
    /// How often each goes through its operations.
    pub(crate) rounds: usize,
    pub(crate) cancels: Vec<Cancel>,
    /// Whether all are cancelled in the end; else they end because the channels
    /// are closed.
    pub(crate) ends_by_cancel: bool,
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        3 => Just(Form::Waits),
        1 => (0u64..40).prop_map(Form::Timed),
        1 => Just(Form::Tries),
    ]
}

/// Operations that end once the channels are closed, whatever the others do.
fn simple() -> impl Strategy<Value = Op> + Clone {
    let pause = prop_oneof![
        3 => Just(Op::Yield),
        1 => Just(Op::Checkpoint),
        1 => (0u64..40).prop_map(Op::Sleep),
        1 => Just(Op::Blocking),
        1 => (0usize..5).prop_map(Op::Cancel),
    ];
    prop_oneof![
        6 => (0..CHANNELS, form()).prop_map(|(channel, form)| Op::Send(channel, form)),
        6 => (0..CHANNELS, form()).prop_map(|(channel, form)| Op::Receive(channel, form)),
        2 => (0..CHANNELS, form(), 1usize..4).prop_map(|(it, form, most)| Op::Iterate(it, form, most)),
        4 => pause,
    ]
    .boxed()
}

fn operation() -> impl Strategy<Value = Op> {
    let some = || vec(simple(), 0..4);
    let fate = prop_oneof![
        3 => Just(Fate::Joined),
        1 => Just(Fate::Detached),
        2 => Just(Fate::CancelledAndJoined),
        1 => Just(Fate::CancelledAndDetached),
    ];
    prop_oneof![
        14 => simple(),
        1 => (0..CHANNELS).prop_map(Op::Close),
        4 => (0..MUTEXES, form(), some()).prop_map(|(it, form, inner)| Op::Lock(it, form, inner)),
        3 => (1..=PERMITS, form(), some()).prop_map(|(n, form, inner)| Op::Permits(n, form, inner)),
        3 => (0..ONCES, some()).prop_map(|(once, inner)| Op::Once(once, inner)),
        1 => some().prop_map(Op::Counted),
        2 => some().prop_map(Op::GroupGo),
        1 => form().prop_map(Op::GroupWait),
        3 => (some(), fate).prop_map(|(inner, fate)| Op::Spawn(inner, fate)),
        2 => vec(some(), 1..3).prop_map(Op::Scope),
        1 => some().prop_map(Op::Shield),
        1 => some().prop_map(Op::Catch),
    ]
}

/// Any program.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    let capacity = prop_oneof![
        3 => Just(Some(0)),
        2 => (1usize..4).prop_map(Some),
        1 => Just(None),
    ];
    let cancel = (0usize..5, 0usize..12, prop::bool::weighted(0.2)).prop_map(
        |(whom, delay, from_a_thread)| Cancel {
            whom,
            delay,
            from_a_thread,
        },
    );
    (
        vec(capacity, CHANNELS),
        vec(vec(operation(), 1..6), 2..6),
        1usize..4,
        vec(cancel, 0..5),
        prop::bool::ANY,
    )
        .prop_map(
            |(capacities, goroutines, rounds, cancels, ends_by_cancel)| Program {
                capacities,
                goroutines,
                rounds,
                cancels,
                ends_by_cancel,
            },
        )
}
