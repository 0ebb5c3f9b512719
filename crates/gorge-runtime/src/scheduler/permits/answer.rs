//! What the operations on permits answer.

/// What came of an attempt to wake a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Grant {
    /// This sleeping machine got a permit: unpark it.
    Wake(u32),
    /// This number, which no thread has, got a permit: start its thread.
    Start(u32),
    /// No permit is free.
    NoPermit,
    /// Nobody sleeps, and all numbers are in use, or none may be started.
    NoThread,
}

/// What came of going to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Rest {
    /// The machine that got the permit, to be unparked.
    pub(crate) handed: Option<u32>,
    /// The permit had been taken away before: that the machine rests now shows
    /// nowhere else.
    pub(crate) was_lost: bool,
}

/// What an idle or robbed machine is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Rise {
    /// Active: somebody woke it to search, and counted it as searching.
    Granted,
    /// Active.
    Active,
    /// Waiting for a permit: park until the standing is [`ACTIVE`](super::ACTIVE).
    Wanting,
    /// Still idle.
    Idle,
}
