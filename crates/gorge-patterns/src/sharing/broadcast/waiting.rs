//! Who waits for a broadcast: readers for a value, senders for room.
//!
//! A bell wakes one party. It may ring for nothing, so whoever waits looks again. A party
//! with a context waits in a select, and has a channel for a bell; the others park, which is
//! a third of the price.

use gorge_channel::Sender;
use gorge_runtime::goroutine::Goroutine;

pub(super) enum Bell {
    Goroutine(Goroutine),
    Channel(Sender<()>),
}

impl Bell {
    pub(super) fn ring(&self) {
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

/// Takes a party out that does not wait any more.
pub(super) fn remove(list: &mut Vec<Waiting>, number: u64) -> Option<Waiting> {
    let at = list.iter().position(|waiting| waiting.number == number)?;
    Some(list.swap_remove(at))
}
