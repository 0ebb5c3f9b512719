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
use crate::waiter::{Node, WaitList};
use gorge_runtime::cancel;
use gorge_runtime::park::{CancelMode, Outcome, Refused, Wait, WaitReason, park};
use std::ptr::NonNull;
use std::time::Instant;

impl<T> Locked<'_, T> {
    /// Waits until a receiver takes the value.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_to_send(
        self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        let wait = self.describe(WaitReason::ChannelSend, deadline);
        let place = Place::full(value);
        let outcome = wait_in(self, |state| &mut state.senders, place.address(), wait);
        match outcome {
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

    /// Waits until a sender hands a value over.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_to_receive(self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let wait = self.describe(WaitReason::ChannelReceive, deadline);
        let place = Place::empty();
        let outcome = wait_in(self, |state| &mut state.receivers, place.address(), wait);
        match outcome {
            // SAFETY: a sender claimed this party and gave it a value before it
            // woke it; the node that leads here is in no list any more.
            Ok(Outcome::Woken(_)) => Ok(unsafe { place.take() }),
            Ok(Outcome::Closed) => Err(RecvTimeoutError::Disconnected),
            Ok(Outcome::TimedOut) => Err(RecvTimeoutError::Timeout),
            Ok(Outcome::Cancelled) | Err(Refused) => cancel::deliver(),
        }
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

/// Waits in one of the channel's lists. When this returns, the lock is free,
/// and neither list nor counterpart knows the place any more.
fn wait_in<T>(
    mut locked: Locked<'_, T>,
    list: fn(&mut State<T>) -> &mut WaitList,
    place: NonNull<()>,
    wait: Wait,
) -> Result<Outcome, Refused> {
    let chan = locked.chan();
    let mut node = Node::new(place, 0);
    // From here on the node is reached through this pointer only.
    let node = NonNull::from(&mut node);
    // Owns the guard: if the wait is refused, it is dropped without having
    // run, which releases the lock.
    let publish = move |waiter| {
        // SAFETY: the lock is held. The node lies in this frame, which stays
        // until the node is removed below or its claimed party is woken.
        unsafe { list(&mut locked).push_back(node, waiter) };
        locked.keep();
    };
    // SAFETY: `publish` has kept the lock for this.
    let commit = || unsafe { chan.unlock() };
    // SAFETY: the waiter is taken back by the counterpart that claims it, or
    // below. `commit` only unlocks. The one lock held is the one it releases.
    let outcome = unsafe { park(wait, publish, commit) }?;
    if matches!(outcome, Outcome::TimedOut | Outcome::Cancelled) {
        // SAFETY: the lock is held, and the node went to this list only.
        unsafe { list(&mut chan.lock()).remove(node) };
    }
    Ok(outcome)
}
