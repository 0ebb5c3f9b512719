//! Waiting for several cases at once.
//!
//! The party links a node into each channel, under that channel's lock and no other,
//! and parks with one waiter for all of them: whoever claims that first decides which
//! case it is.
//!
//! | who ends the wait | and the party then has |
//! | --- | --- |
//! | a sender, for a receive | the value, in the slot |
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
//! A future that waits to be promised something is not ready, since nobody waits for it to
//! be polled. It is told to look under the lock under which the party is linked, and woken
//! when all is linked and the party has left its stack: so it finds the party.
//!
//! Two selects that could go together cannot both sleep: each links under the lock of
//! the channel that they share, so one of them is second, finds the other one's node, and
//! looks again, which takes the first one out of its wait.

use super::case::{Case, Choice};
use super::table::{Party, Won};
use crate::blocking::wake_if_any;
use crate::channel::Traits;
use crate::waiter::{Claimed, ClaimedAll, Message, Node};
use gorge_runtime::cancel;
use gorge_runtime::park::{CancelMode, Outcome, Refused, Wait, WaitReason, Waiter, park};
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Instant;

/// So many cases need no allocation.
pub(super) const INLINE: usize = 8;
/// So many cases an outcome can tell from each other.
const MOST: usize = 65_531;

/// How a wait ended.
pub(super) enum Woken {
    /// A case has got something.
    Won(Choice),
    /// Look again, at this case first.
    Look(Option<usize>),
    TimedOut,
}

/// What a party links into each channel. They stay where they are.
struct Nodes {
    inline: [MaybeUninit<Node>; INLINE],
    spilled: Vec<MaybeUninit<Node>>,
}

impl Nodes {
    #[inline]
    fn for_cases(cases: &[Case<'_>]) -> Nodes {
        let spilled = match cases.len() > INLINE {
            true => Vec::from_iter(cases.iter().map(|_| MaybeUninit::uninit())),
            false => Vec::new(),
        };
        Nodes {
            inline: [const { MaybeUninit::uninit() }; INLINE],
            spilled,
        }
    }

    /// Where they lie, one for each case. Counterparts touch one while its neighbours are
    /// linked or unlinked, so no reference is made to all of them.
    #[inline]
    fn address(&mut self) -> NonNull<Node> {
        match self.spilled.is_empty() {
            true => NonNull::from(&mut self.inline).cast(),
            false => NonNull::from(self.spilled.as_mut_slice()).cast(),
        }
    }
}

/// Waits until one of the cases has got something, or might; or, if it watches, until one
/// might, and takes nothing. The value that a receive gets goes to `room`; who watches gives
/// none.
///
/// # Safety
///
/// `room` is the caller's, large enough for what any case may get, and empty.
#[inline(never)]
pub(super) unsafe fn wait(
    cases: &[Case<'_>],
    room: Option<NonNull<()>>,
    traits: Traits,
    deadline: Option<Instant>,
) -> Woken {
    assert!(
        cases.len() <= MOST,
        "a select waits for {MOST} operations at most"
    );
    let (wait, is_due_first) = describe(cases, traits, deadline);
    // A variable of its own for the closure below: what that borrows lies in memory.
    let until = wait.deadline;
    let watches = room.is_none();
    let mut nodes = Nodes::for_cases(cases);
    // From here on the nodes are reached through this pointer only.
    let nodes = nodes.address();
    let linked = Cell::new(0);
    // Those to be woken when the party has left its stack.
    let told = RefCell::new(ClaimedAll::default());
    let publish = |waiter: Waiter| {
        let mut party = Party {
            waiter,
            place: room,
            until,
            told: &mut told.borrow_mut(),
        };
        for (number, case) in cases.iter().enumerate() {
            // SAFETY: there is one for each case. It stays in this frame until it is
            // unlinked below, or the party that claimed it has woken this one.
            let is_linked = unsafe { case.link(nodes.add(number), number, &mut party) };
            linked.set(number + 1);
            if !is_linked {
                // SAFETY: the waiter was not taken back.
                if let Some(claim) = unsafe { waiter.claim(Outcome::Woken(number as u16)) } {
                    claim.wake();
                }
                break;
            }
        }
    };
    // SAFETY: every node is unlinked below. No lock is held. Neither function panics: a
    // waker's panic ends where it is called. Parks does the second one if a waker does,
    // whose wait is another one.
    let waited = unsafe { park(wait, publish, || wake_if_any(&told)) };
    // The party that claimed this wait for a case has unlinked that one's node.
    let woken_for = match waited {
        Ok(Outcome::Woken(number)) => usize::from(number),
        _ => usize::MAX,
    };
    for (number, case) in cases.iter().enumerate().take(linked.get()) {
        if number == woken_for {
            continue;
        }
        // SAFETY: there is one for each case. It went to this list only, if to any.
        unsafe { case.unlink(nodes.add(number), watches) };
    }
    match waited {
        Ok(Outcome::Woken(number)) => {
            let number = usize::from(number);
            // SAFETY: no node is linked, and this one was written for that: of a case without a
            // channel nobody is told. The room is the caller's, and no counterpart knows it.
            unsafe { won(&cases[number], number, nodes.add(number), room) }
        }
        Ok(Outcome::Closed) => Woken::Look(None),
        Ok(Outcome::TimedOut) if is_due_first => Woken::Look(None),
        Ok(Outcome::TimedOut) => Woken::TimedOut,
        Ok(Outcome::Cancelled) | Err(Refused) => cancel::deliver(),
    }
}

/// How to wait, and whether the first timer among the cases ends it, not the deadline.
#[inline]
fn describe(cases: &[Case<'_>], traits: Traits, deadline: Option<Instant>) -> (Wait, bool) {
    let due = match traits.has(Traits::TIMER) {
        true => cases.iter().filter_map(Case::due).min(),
        false => None,
    };
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
    (wait, is_due_first)
}

/// What the party that claimed this wait for a case has left.
///
/// # Safety
///
/// As for [`wait`]; nobody else knows the room. The node is the case's, and not linked.
#[inline]
unsafe fn won(
    case: &Case<'_>,
    number: usize,
    node: NonNull<Node>,
    room: Option<NonNull<()>>,
) -> Woken {
    let Some(room) = room else {
        return Woken::Look(Some(number));
    };
    // SAFETY: the caller's contract.
    let message = unsafe { node.as_ref() }.message();
    let won = match (message, case.sends()) {
        (Message::Done, false) => Won::Value,
        (Message::Room, true) => Won::Room,
        (Message::Partner(receiver), true) => {
            // SAFETY: the receiver waits for this party alone, as the message says; the room
            // is the caller's contract.
            unsafe { room.cast().write(Claimed::partner(receiver)) };
            Won::Partner
        }
        (Message::Abandoned, _) => return Woken::Look(None),
        _ => return Woken::Look(Some(number)),
    };
    Woken::Won(Choice { number, won })
}
