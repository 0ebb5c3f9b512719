//! Waiting for several cases at once.
//!
//! The party links a node into each channel, under that channel's lock and no other,
//! and parks with one waiter for all of them: whoever claims that first decides which
//! case it is.
//!
//! | who ends the wait | and the party then has |
//! | --- | --- |
//! | a sender, for a receive | the value, in the slot of that case |
//! | a receiver that made room, for a send | that room |
//! | a receiver that found the buffer empty, for a send | that receiver, which waits |
//! | a closer, or what a watcher watches for | to look again |
//! | the party itself, while it links | to look again, at that case first |
//! | the deadline, or the first timer among the cases | to look again, or given up |
//!
//! # The lost wake-up to fear
//!
//! Case 1 is linked, then case 2 becomes ready before it is linked. So each link looks
//! under the lock whether its case is ready, and if so the party claims its own wait.
//! What comes after the link finds the node, or a wait that is over. A counterpart that
//! waits itself in the party's own select does not count: a select never goes together
//! with itself.
//!
//! Two selects that could go together cannot both sleep: each links under the lock of
//! the channel that they share, so one of them is second, finds the other one's node, and
//! looks again, which takes the first one out of its wait.

use super::case::{Case, Won};
use super::slot::Slot;
use crate::promise::Promise;
use crate::waiter::{Claimed, Message, Node};
use gorge_runtime::cancel;
use gorge_runtime::park::{CancelMode, Outcome, Refused, Wait, WaitReason, Waiter, park};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Instant;

/// So many cases need no allocation.
pub(super) const INLINE: usize = 8;
/// So many cases an outcome can tell from each other.
const MOST: usize = 65_531;

/// How a wait ended.
pub(super) enum Woken {
    /// This case, by its place in the list, has got something.
    Won(usize, Won, Slot),
    /// Look again, at this case first.
    Look(Option<usize>),
    TimedOut,
}

/// What a party links into one channel, and where a value arrives.
struct Entry {
    node: Node,
    slot: Slot,
}

/// The entries of all cases; they stay where they are.
struct Entries {
    inline: [MaybeUninit<Entry>; INLINE],
    spilled: Vec<Entry>,
    count: usize,
}

impl Entries {
    fn new() -> Entries {
        Entries {
            inline: [const { MaybeUninit::uninit() }; INLINE],
            spilled: Vec::new(),
            count: 0,
        }
    }

    /// Makes one for each case.
    fn fill(&mut self, cases: &[Case<'_>]) {
        self.spilled
            .reserve_exact(cases.len().saturating_sub(INLINE));
        for case in cases {
            let entry = Entry {
                node: Node::new(None, 0),
                slot: Slot::new(case.layout()),
            };
            match self.inline.get_mut(self.count) {
                Some(place) => drop(place.write(entry)),
                None => self.spilled.push(entry),
            }
            self.count += 1;
        }
    }

    fn addresses(&mut self) -> Addresses {
        Addresses {
            inline: NonNull::from(&mut self.inline).cast(),
            spilled: NonNull::from(self.spilled.as_mut_slice()).cast(),
        }
    }
}

/// Where the entries lie. Counterparts touch an entry while its neighbours are linked or
/// unlinked, so no reference is made to all of them.
#[derive(Clone, Copy)]
struct Addresses {
    inline: NonNull<Entry>,
    spilled: NonNull<Entry>,
}

impl Addresses {
    /// # Safety
    ///
    /// There is an entry of this number.
    unsafe fn entry(self, number: usize) -> NonNull<Entry> {
        // SAFETY: the first few lie in place, and the others in the vector, in order.
        unsafe {
            match number < INLINE {
                true => self.inline.add(number),
                false => self.spilled.add(number - INLINE),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`entry`](Addresses::entry).
    unsafe fn node(self, number: usize) -> NonNull<Node> {
        // SAFETY: the caller's contract; the address of a field is not null.
        unsafe { NonNull::new_unchecked(&raw mut (*self.entry(number).as_ptr()).node) }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        for place in &mut self.inline[..self.count.min(INLINE)] {
            // SAFETY: `fill` wrote the first `count`.
            unsafe { place.assume_init_drop() };
        }
    }
}

/// Waits until one of the cases has got something, or might; with `watches`, until one
/// might, and takes nothing.
#[cold]
#[inline(never)]
pub(super) fn wait(cases: &[Case<'_>], deadline: Option<Instant>, watches: bool) -> Woken {
    assert!(
        cases.len() <= MOST,
        "a select waits for {MOST} operations at most"
    );
    let due = cases.iter().filter_map(Case::due).min();
    let is_due_first = due.is_some_and(|due| deadline.is_none_or(|deadline| due <= deadline));
    let wait = Wait {
        reason: match cases.is_empty() {
            true => WaitReason::Forever,
            false => WaitReason::Select,
        },
        object: 0,
        deadline: if is_due_first { due } else { deadline },
        cancel: CancelMode::Deliver,
    };
    let mut entries = Entries::new();
    entries.fill(cases);
    // From here on the entries are reached through these pointers only.
    let entries = entries.addresses();
    let linked = Cell::new(0);
    let publish = |waiter: Waiter| {
        for (number, case) in cases.iter().enumerate() {
            // SAFETY: there is one for each case. It stays in this frame until the node is
            // unlinked below, or the party that claimed it has woken this one.
            let is_linked = unsafe { link(case, entries.entry(number), number, waiter, watches) };
            linked.set(number + 1);
            if !is_linked {
                // SAFETY: the waiter was not taken back.
                if let Some(claim) = unsafe { waiter.claim(Outcome::Woken(number as u16)) } {
                    claim.wake();
                }
                return;
            }
        }
    };
    // SAFETY: every node is unlinked below. No lock is held. Neither function panics or
    // parks.
    let waited = unsafe { park(wait, publish, || ()) };
    for (number, case) in cases.iter().enumerate().take(linked.get()) {
        // SAFETY: there is one for each case. It went to this list only, if to any.
        unsafe { case.unlink(entries.node(number), watches) };
    }
    match waited {
        Ok(Outcome::Woken(number)) => {
            let number = usize::from(number);
            // SAFETY: no node is linked, so nobody else reaches the entry.
            let entry = unsafe { entries.entry(number).as_mut() };
            take(&cases[number], number, entry)
        }
        Ok(Outcome::Closed) => Woken::Look(None),
        Ok(Outcome::TimedOut) if is_due_first => Woken::Look(None),
        Ok(Outcome::TimedOut) => Woken::TimedOut,
        Ok(Outcome::Cancelled) | Err(Refused) => cancel::deliver(),
    }
}

/// Links a party to one case. False if that is ready.
///
/// # Safety
///
/// The entry is linked nowhere, and stays until it is unlinked or its claimed party woken.
unsafe fn link(
    case: &Case<'_>,
    entry: NonNull<Entry>,
    number: usize,
    waiter: Waiter,
    watches: bool,
) -> bool {
    // SAFETY: it is the caller's, who links it now.
    let node = unsafe {
        let entry = &mut *entry.as_ptr();
        let place = (!watches && !case.sends()).then(|| entry.slot.address());
        if let Some(place) = place {
            case.empty(place);
        }
        entry.node = Node::new(place, number as u16);
        NonNull::from(&mut entry.node)
    };
    // SAFETY: the caller's contract.
    match unsafe { case.link(node, waiter, watches) } {
        Some(told) => {
            told.wake();
            true
        }
        None => {
            // SAFETY: it was not linked.
            unsafe { (*node.as_ptr()).set_message(Message::Look) };
            false
        }
    }
}

/// What the party that claimed this wait for a case has left.
fn take(case: &Case<'_>, number: usize, entry: &mut Entry) -> Woken {
    let won = match (entry.node.message(), case.sends()) {
        (Message::Done, false) => Won::Value,
        (Message::Room, true) => Won::Promise(Promise::Room),
        (Message::Partner(receiver), true) => {
            // SAFETY: the receiver waits for this party alone, as the message says.
            let receiver = unsafe { Claimed::partner(receiver) };
            Won::Promise(Promise::Partner(receiver))
        }
        (Message::Abandoned, _) => return Woken::Look(None),
        _ => return Woken::Look(Some(number)),
    };
    let slot = std::mem::replace(&mut entry.slot, Slot::new(std::alloc::Layout::new::<()>()));
    Woken::Won(number, won, slot)
}
