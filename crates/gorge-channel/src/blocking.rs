//! The waiting half of send and receive.
//!
//! Both put a [`Place`] and a [`Node`] on their own stack, link the node, and
//! park; the lock under which the attempt failed is held from there until the
//! party has left its stack. What remains to do depends on the outcome:
//!
//! | outcome | the node | a sender's value | a receiver's place |
//! | --- | --- | --- | --- |
//! | woken | unlinked by the counterpart | was taken | holds a value |
//! | closed | unlinked by the closer | is handed back | is empty |
//! | timed out | unlinked here | is handed back | is empty |
//! | cancelled | unlinked here | is dropped | is empty |
//! | refused | was never linked | is dropped | is empty |

use crate::channel::{Locked, State};
use crate::error::{RecvTimeoutError, SendTimeoutError};
use crate::place::Place;
use crate::waiter::{Claimed, ClaimedAll, Message, Node, WaitList};
use gorge_runtime::cancel;
use gorge_runtime::park::{CancelMode, Outcome, Refused, Wait, WaitReason, park};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::time::Instant;

impl<T> Locked<'_, T> {
    /// Waits until a receiver takes the value.
    #[inline(always)]
    pub(crate) fn wait_to_send(
        self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        let wait = self.describe(WaitReason::ChannelSend, deadline);
        let place = Place::full(value);
        let waited = wait_in(
            self,
            |state| &mut state.senders,
            place.address(),
            wait,
            ClaimedAll::default(),
        );
        match waited.map(|(outcome, _)| outcome) {
            Ok(Outcome::Woken(_)) => {
                place.was_taken();
                Ok(())
            }
            // SAFETY: no receiver claimed this party, so the value is here, and
            // the node that leads to it is in no list any more.
            Ok(Outcome::Closed) => Err(SendTimeoutError::Disconnected(unsafe { place.take() })),
            // SAFETY: as above.
            Ok(Outcome::TimedOut) => Err(SendTimeoutError::Timeout(unsafe { place.take() })),
            // The unwinding drops the place, and with it the value.
            Ok(Outcome::Cancelled) | Err(Refused) => cancel::deliver(),
        }
    }

    /// Waits until a sender hands a value over, or one is due. `None`: look again.
    ///
    /// Those that were `told` to look are woken when they find the party.
    #[inline(always)]
    pub(crate) fn wait_to_receive(
        self,
        deadline: Option<Instant>,
        told: ClaimedAll,
    ) -> Result<Option<T>, RecvTimeoutError> {
        let due = self.buffer.due();
        let is_due_first = due.is_some_and(|due| deadline.is_none_or(|deadline| due <= deadline));
        let until = if is_due_first { due } else { deadline };
        let wait = self.describe(WaitReason::ChannelReceive, until);
        let place = Place::empty();
        let waited = wait_in(
            self,
            |state| &mut state.receivers,
            place.address(),
            wait,
            told,
        );
        match waited {
            // SAFETY: a sender claimed this party and gave it a value before it
            // woke it; the node that leads here is in no list any more.
            Ok((Outcome::Woken(_), Message::Done)) => Ok(Some(unsafe { place.take() })),
            // The sender that had claimed this party gave up. Or the channel was closed,
            // and a future may still put a value back.
            Ok((Outcome::Woken(_) | Outcome::Closed, _)) => Ok(None),
            Ok((Outcome::TimedOut, _)) if is_due_first => Ok(None),
            Ok((Outcome::TimedOut, _)) => Err(RecvTimeoutError::Timeout),
            Ok((Outcome::Cancelled, _)) | Err(Refused) => cancel::deliver(),
        }
    }

    /// Waits for the value of a sender that makes it now, and has been chosen for that
    /// by being claimed. `None`: it gave up.
    ///
    /// The wait has neither deadline nor cancel, so that the sender, which alone knows
    /// of it, finds this party waiting.
    ///
    /// # Errors
    ///
    /// Where the goroutine must not wait.
    #[cold]
    #[inline(never)]
    pub(crate) fn meet(self, sender: Claimed) -> Result<Option<T>, Refused> {
        let wait = Wait {
            cancel: CancelMode::Withhold,
            ..self.describe(WaitReason::ChannelReceive, None)
        };
        let place = Place::empty();
        let mut node = Node::new(Some(place.address()), 0);
        // From here on the node is reached through this pointer only.
        let node = NonNull::from(&mut node);
        // Nobody but the sender learns of this party, so the channel is free.
        drop(self);
        let sender = Cell::new(Some(sender));
        let publish = |waiter| {
            // SAFETY: the node lies in this frame, which stays until the sender has
            // claimed and woken this party; until it is told, it is this party's alone.
            unsafe { (*node.as_ptr()).set_waiter(waiter) };
        };
        let commit = || {
            if let Some(mut sender) = sender.take() {
                sender.tell(Message::Partner(node));
                sender.wake();
            }
        };
        // SAFETY: the sender, which takes the waiter, ends the wait. `commit` neither
        // panics nor parks, and no lock is held.
        let waited = unsafe { park(wait, publish, commit) };
        if let Some(mut sender) = sender.take() {
            // Refused: the sender looks for another receiver.
            sender.tell(Message::Look);
            sender.wake();
        }
        let outcome = waited?;
        debug_assert!(matches!(outcome, Outcome::Woken(_)), "nothing else ends it");
        // SAFETY: the sender has woken this party and does not touch the node any more.
        let message = unsafe { node.as_ref().message() };
        // SAFETY: the sender gave a value before it woke this party.
        Ok((message == Message::Done).then(|| unsafe { place.take() }))
    }

    fn describe(&self, reason: WaitReason, deadline: Option<Instant>) -> Wait {
        Wait {
            reason,
            object: self.chan().address(),
            deadline,
            cancel: CancelMode::Deliver,
        }
    }
}

/// Wakes those that were told to look. There are hardly ever any, and to take them out
/// moves several words.
#[inline]
pub(crate) fn wake_if_any(told: &RefCell<ClaimedAll>) {
    if !told.borrow().is_empty() {
        told.take().wake();
    }
}

/// Waits in one of the channel's lists. When this returns, the lock is free,
/// and neither list nor counterpart knows the place any more. Those that were `told` under
/// this lock find the party when they are woken.
#[inline(always)]
fn wait_in<T>(
    mut locked: Locked<'_, T>,
    list: impl Fn(&mut State<T>) -> &mut WaitList,
    place: NonNull<()>,
    wait: Wait,
    told: ClaimedAll,
) -> Result<(Outcome, Message), Refused> {
    let chan = locked.chan();
    let mut node = Node::new(Some(place), 0);
    // From here on the node is reached through this pointer only.
    let node = NonNull::from(&mut node);
    // With those that watch for somebody to wait here.
    let told = RefCell::new(told);
    let sends = wait.reason == WaitReason::ChannelSend;
    // Owns the guard: if the wait is refused, it is dropped without having
    // run, which releases the lock.
    let publish = |waiter| {
        // SAFETY: the lock is held. The node lies in this frame, which stays
        // until the node is removed below or its claimed party is woken.
        unsafe { list(&mut locked).push_back(node, waiter) };
        locked.someone_waits(sends, &mut told.borrow_mut());
        locked.keep();
    };
    let commit = || {
        // SAFETY: `publish` has kept the lock for this.
        unsafe { chan.unlock() };
        wake_if_any(&told);
    };
    // SAFETY: the waiter is taken back by the counterpart that claims it, or
    // below. `commit` does not panic: a waker's panic ends where it is called. It parks
    // if a waker does, whose wait is another one. The one lock held is the one that it
    // releases first.
    let waited = unsafe { park(wait, publish, commit) };
    // Refused: they find nobody.
    wake_if_any(&told);
    let outcome = waited?;
    if matches!(outcome, Outcome::TimedOut | Outcome::Cancelled) {
        // SAFETY: the lock is held, and the node went to this list only.
        unsafe { list(&mut chan.lock()).remove(node) };
    }
    // SAFETY: nobody else knows the node any more.
    Ok((outcome, unsafe { node.as_ref().message() }))
}
