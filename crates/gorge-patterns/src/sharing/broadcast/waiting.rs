//! Who waits for a broadcast: readers for a value, senders for room.
//!
//! A bell wakes one party. It may ring for nothing, so whoever waits looks again. A party
//! with a context waits in a select, and has a channel for a bell; the others park, which is
//! a third of the price.
//!
//! To ring a thousand bells takes a tenth of a millisecond, which is no part of sending a
//! value: a goroutine does it, and what is sent meanwhile needs no more ringing.

use gorge_channel::Sender;
use gorge_runtime::go;
use gorge_runtime::goroutine::{self, Goroutine};

pub(super) enum Bell {
    Goroutine(Goroutine),
    Channel(Sender<()>),
}

impl Bell {
    fn ring(&self) {
        match self {
            Bell::Goroutine(goroutine) => goroutine.unpark(),
            // If there is no room, it has rung.
            Bell::Channel(sender) => drop(sender.try_send(())),
        }
    }
}

/// A party that waits, by the number of its subscriber or, for a sender, of its wait.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) bell: Bell,
}

impl Waiting {
    pub(super) fn new(number: u64, bell: Bell) -> Waiting {
        Waiting { number, bell }
    }
}

/// Takes a party out that does not wait any more.
pub(super) fn remove(list: &mut Vec<Waiting>, number: u64) -> Option<Waiting> {
    let at = list.iter().position(|waiting| waiting.number == number)?;
    Some(list.swap_remove(at))
}

/// How many are woken by a goroutine of their own.
const MANY: usize = 64;

/// Parties that are to be woken. Dropping this wakes them, so that they are even if the
/// goroutine that was to do it is cancelled before it starts.
pub(super) struct Woken(pub(super) Vec<Vec<Waiting>>);

impl Woken {
    /// Wakes them, soon. On an OS thread, which need not have a runtime, now.
    pub(super) fn wake(self) {
        let count: usize = self.0.iter().map(Vec::len).sum();
        if count >= MANY && goroutine::current().id().as_u64() != 0 {
            go(move || drop(self));
        }
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.0
            .drain(..)
            .flatten()
            .for_each(|waiting| waiting.bell.ring());
    }
}
