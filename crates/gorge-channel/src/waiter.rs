//! Who waits on a channel: nodes on the blocked parties' stacks, linked into
//! one first-in-first-out list per direction.
//!
//! * [`WaitList::push_back`] and [`WaitList::remove`]: the blocked party comes
//!   and goes by itself, both in constant time;
//! * [`WaitList::claim_first`]: a counterpart takes the longest waiting party
//!   whose wait it wins;
//! * [`WaitList::claim_all`]: a close wins all of them.
//!
//! Invariant: a node is touched under the channel's lock, with one exception:
//! whoever has claimed its waiter may use it until the wake-up. A claimed
//! party's frame stays as it is until then. A party that was not claimed by a
//! counterpart takes the lock and unlinks its node before its frame goes, so
//! no list ever holds the address of a frame that has gone.

mod all;

pub(crate) use all::ClaimedAll;

use gorge_runtime::park::{Claim, Outcome, Waiter};
use std::ptr::NonNull;

/// One blocked operation of one party. A select has one for each case.
pub(crate) struct Node {
    prev: Option<NonNull<Node>>,
    /// The next in the list; once claimed by a close, in its [`ClaimedAll`].
    next: Option<NonNull<Node>>,
    /// Whose wait this is: set when linked.
    waiter: Option<Waiter>,
    /// The duty to wake, kept here between a close's claim and its wake-up, and by a party
    /// that has claimed itself for another one.
    claim: Option<Claim>,
    /// The [`Place`](crate::place::Place) of the value, of the channel's type. None of
    /// a sender that makes its value when it is chosen, and of one that only watches.
    place: Option<NonNull<()>>,
    /// Which case of a select this is; zero otherwise.
    case: u16,
    linked: bool,
    /// The party is a [future](crate::futures), and waking it may run anything. One that
    /// receives is handed its value under the lock, and one without a place is never met,
    /// only told to look.
    is_future: bool,
    /// What a claimer that could not complete leaves here before the wake-up.
    message: Message,
}

/// What a woken party finds in its node, beside the outcome of its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The operation is complete.
    Done,
    /// Receiver: the sender that had claimed it gave up. Nothing arrived.
    Abandoned,
    /// Sender without a value: room in the buffer is reserved for it.
    Room,
    /// Sender without a value: this receiver waits for it, and for it alone.
    Partner(NonNull<Node>),
    /// Look again: whatever it was may have gone.
    Look,
}

impl Node {
    pub(crate) fn new(place: Option<NonNull<()>>, case: u16) -> Node {
        Node {
            prev: None,
            next: None,
            waiter: None,
            claim: None,
            place,
            case,
            linked: false,
            is_future: false,
            message: Message::Done,
        }
    }

    pub(crate) fn of_future(place: Option<NonNull<()>>) -> Node {
        Node {
            is_future: true,
            ..Node::new(place, 0)
        }
    }

    /// Names the wait of a party that is in no list, for the one that it waits for.
    pub(crate) fn set_waiter(&mut self, waiter: Waiter) {
        self.waiter = Some(waiter);
    }

    /// Owner, of a node that is in no list.
    pub(crate) fn set_message(&mut self, message: Message) {
        self.message = message;
    }

    /// Whether a node is in a list. By its place alone, as a claimer may leave a message
    /// in the node meanwhile.
    ///
    /// # Safety
    ///
    /// The node is valid, and the lock of the lists that it may be in is held.
    pub(crate) unsafe fn is_linked(node: NonNull<Node>) -> bool {
        // SAFETY: the caller's contract.
        unsafe { (*node.as_ptr()).linked }
    }

    /// Claims its party's wait on behalf of the party that `node` will be told to, which
    /// finds the claim by [`Claimed::partner`].
    ///
    /// # Safety
    ///
    /// The node is the caller's alone, in no list, and stays until it is woken. The
    /// waiter is that of a wait of its party, which nobody else knows.
    pub(crate) unsafe fn claim_for_partner(node: NonNull<Node>, waiter: Waiter) {
        // SAFETY: the caller's contract.
        unsafe {
            let claim = waiter.claim(Outcome::Woken(0));
            debug_assert!(claim.is_some(), "nobody else knows of this wait");
            let node = &mut *node.as_ptr();
            node.waiter = Some(waiter);
            node.claim = claim;
        }
    }

    /// Owner, after its wait.
    pub(crate) fn message(&self) -> Message {
        self.message
    }
}

/// A party whose wait the holder has won: it stays where it is until it is
/// woken.
#[must_use = "a claimed party sleeps until it is woken"]
pub(crate) struct Claimed {
    claim: Claim,
    node: NonNull<Node>,
    place: Option<NonNull<()>>,
}

impl Claimed {
    /// Wins the wait of a party that is in no list.
    ///
    /// # Safety
    ///
    /// The node is that of a party that published its waiter there, for the caller
    /// alone, and cannot be cancelled or time out; or has claimed itself for the caller.
    pub(crate) unsafe fn partner(node: NonNull<Node>) -> Claimed {
        // SAFETY: the party waits for the caller, so its node is there. Nobody else touches
        // these parts of it; a future looks at another one.
        let (claim, place) = unsafe {
            let own = (*node.as_ptr()).claim.take();
            let claim = own.or_else(|| claim(node, Outcome::Woken(0)));
            (claim, (*node.as_ptr()).place)
        };
        let claim = claim.expect("nobody else ends this wait");
        Claimed { claim, node, place }
    }

    /// Where the party keeps its value, or waits for one.
    #[inline]
    pub(crate) fn place(&self) -> Option<NonNull<()>> {
        self.place
    }

    /// Whether the party is a future.
    #[inline]
    pub(crate) fn is_future(&self) -> bool {
        // SAFETY: claimed and not yet woken: the node is there. By its place alone, as a
        // future may look whether it is linked.
        unsafe { (*self.node.as_ptr()).is_future }
    }

    /// The claimed party's node, which is there until it is woken.
    pub(crate) fn node(&self) -> NonNull<Node> {
        self.node
    }

    /// Tells the party to look again, with others, behind those that `all` holds already.
    pub(crate) fn tell_to_look(mut self, all: &mut ClaimedAll) {
        self.tell(Message::Look);
        // SAFETY: claimed and in no list. The claim moves to the node, which stays until the
        // party is woken.
        unsafe {
            (*self.node.as_ptr()).claim = Some(self.claim);
            all.push(self.node);
        }
    }

    /// Leaves something for the party to find.
    pub(crate) fn tell(&mut self, message: Message) {
        // SAFETY: claimed and not yet woken: the node is there, and the claimer's.
        unsafe { (*self.node.as_ptr()).message = message };
    }

    /// Makes the party runnable. Not under the channel's lock.
    #[inline]
    pub(crate) fn wake(self) {
        self.claim.wake();
    }
}

/// Parties in the order in which they began to wait.
#[derive(Default)]
pub(crate) struct WaitList {
    head: Option<NonNull<Node>>,
    tail: Option<NonNull<Node>>,
}

impl WaitList {
    pub(crate) const fn new() -> WaitList {
        WaitList {
            head: None,
            tail: None,
        }
    }

    /// Links a node at the end.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list. The node is not linked
    /// and stays where it is until it is removed, or its claimed party woken.
    pub(crate) unsafe fn push_back(&mut self, node: NonNull<Node>, waiter: Waiter) {
        // SAFETY: the node is valid and, not yet linked, the caller's alone.
        unsafe {
            let node = &mut *node.as_ptr();
            debug_assert!(!node.linked, "a node is in one list at most");
            node.waiter = Some(waiter);
            node.message = Message::Done;
            node.prev = self.tail;
            node.next = None;
            node.linked = true;
        }
        match self.tail {
            // SAFETY: linked nodes are valid, and the lock is held.
            Some(tail) => unsafe { (*tail.as_ptr()).next = Some(node) },
            None => self.head = Some(node),
        }
        self.tail = Some(node);
    }

    /// Unlinks a node, unless a counterpart has done so already.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list. The node is valid, and
    /// was pushed to no other list.
    pub(crate) unsafe fn remove(&mut self, node: NonNull<Node>) {
        // SAFETY: valid by contract; under the lock nobody else touches it.
        if unsafe { (*node.as_ptr()).linked } {
            // SAFETY: it is linked, and in no other list, so it is in this one.
            unsafe { self.unlink(node) };
        }
    }

    /// Unlinks and wins the first party that still waits.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list.
    #[inline(always)]
    pub(crate) unsafe fn claim_first(&mut self) -> Option<Claimed> {
        // SAFETY: the caller's contract.
        unsafe { self.head.and_then(|head| self.claim_from(head)) }
    }

    /// # Safety
    ///
    /// As for [`claim_first`](Self::claim_first); `head` is the first node.
    #[inline]
    unsafe fn claim_from(&mut self, head: NonNull<Node>) -> Option<Claimed> {
        let mut first = Some(head);
        while let Some(node) = first {
            // SAFETY: linked nodes are valid while the lock is held. One whose
            // wait is over stays so until its owner has taken the lock.
            unsafe {
                // Before it is unlinked: a load of more bytes than were just stored beside
                // it would wait until they are in the cache.
                let Node { place, case, .. } = *node.as_ptr();
                self.unlink(node);
                if let Some(claim) = claim(node, Outcome::Woken(case)) {
                    return Some(Claimed { claim, node, place });
                }
            }
            first = self.head;
        }
        None
    }

    /// Unlinks all, and wins those that still wait for `outcome`, in order,
    /// behind those that `all` holds already.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list.
    pub(crate) unsafe fn claim_all(&mut self, outcome: Outcome, all: &mut ClaimedAll) {
        while let Some(node) = self.head {
            // SAFETY: linked nodes are valid while the lock is held; those that
            // are claimed stay valid until they are woken.
            unsafe {
                self.unlink(node);
                if let Some(claim) = claim(node, outcome) {
                    (*node.as_ptr()).claim = Some(claim);
                    all.push(node);
                }
            }
        }
    }

    /// As [`claim_all`](Self::claim_all), for parties that only want to look.
    ///
    /// # Safety
    ///
    /// As for [`claim_all`](Self::claim_all).
    #[cold]
    pub(crate) unsafe fn claim_watchers(&mut self, all: &mut ClaimedAll) {
        // SAFETY: the caller's contract.
        unsafe { self.claim_all(Outcome::Closed, all) };
    }

    /// Unlinks the futures that wait for a promise, and tells those that still do to
    /// look, in order, behind those that `all` holds already.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list.
    pub(crate) unsafe fn tell_futures_to_look(&mut self, all: &mut ClaimedAll) {
        let mut next = self.head;
        while let Some(node) = next {
            // SAFETY: linked nodes are valid while the lock is held; those that are claimed
            // stay valid until they are woken.
            unsafe {
                next = (*node.as_ptr()).next;
                if !is_never_met(node) {
                    continue;
                }
                self.unlink(node);
                if let Some(claim) = claim(node, Outcome::Woken(0)) {
                    let place = None;
                    Claimed { claim, node, place }.tell_to_look(all);
                }
            }
        }
    }

    /// Whether anybody still waits but the party whose wait this is, and but futures that
    /// wait for a promise: nobody can go together with those at once.
    ///
    /// # Safety
    ///
    /// The caller holds the lock that guards this list.
    #[inline]
    pub(crate) unsafe fn has_other(&self, own: Option<Waiter>) -> bool {
        // SAFETY: linked nodes are valid, and the lock is held.
        let next = |node: &NonNull<Node>| unsafe { (*node.as_ptr()).next };
        std::iter::successors(self.head, next).any(|node| {
            // SAFETY: as above. A linked node's waiter was not taken back.
            unsafe {
                (*node.as_ptr()).waiter.is_some_and(|waiter| {
                    !own.is_some_and(|own| waiter.is_same_wait(own))
                        && !is_never_met(node)
                        && waiter.is_waiting()
                })
            }
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The node that has been here longest.
    pub(crate) fn first(&self) -> Option<NonNull<Node>> {
        self.head
    }

    /// Links the node of a party that does not wait any more at the end.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Self::push_back).
    pub(crate) unsafe fn keep(&mut self, node: NonNull<Node>) {
        // SAFETY: the caller's contract; a waiter that is over stays over.
        unsafe {
            if let Some(waiter) = (*node.as_ptr()).waiter {
                self.push_back(node, waiter);
            }
        }
    }

    /// How many wait.
    #[cfg(all(test, not(gorge_loom)))]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: a list is reached under its lock only; linked nodes are valid.
        let next = |node: &NonNull<Node>| unsafe { node.as_ref().next };
        std::iter::successors(self.head, next).count()
    }

    /// # Safety
    ///
    /// The lock is held, and the node is in this list.
    #[inline]
    unsafe fn unlink(&mut self, node: NonNull<Node>) {
        // SAFETY: the node and its neighbours are linked, hence valid, and
        // under the lock nobody else touches them.
        unsafe {
            let Node { prev, next, .. } = *node.as_ptr();
            match prev {
                Some(prev) => (*prev.as_ptr()).next = next,
                None => self.head = next,
            }
            match next {
                Some(next) => (*next.as_ptr()).prev = prev,
                None => self.tail = prev,
            }
            (*node.as_ptr()).linked = false;
        }
    }
}

/// Whether the party is a future that waits for a promise.
///
/// # Safety
///
/// The node is linked, and the lock of its list is held.
unsafe fn is_never_met(node: NonNull<Node>) -> bool {
    // SAFETY: the caller's contract.
    unsafe { (*node.as_ptr()).is_future && (*node.as_ptr()).place.is_none() }
}

/// Tries to win a node's wait.
///
/// # Safety
///
/// The lock is held under which the node was found linked.
#[inline]
unsafe fn claim(node: NonNull<Node>, outcome: Outcome) -> Option<Claim> {
    // SAFETY: the node is valid: its owner has not taken it back, which it
    // would do under the lock. So is its waiter, for the same reason.
    unsafe {
        let waiter = (*node.as_ptr()).waiter;
        waiter.and_then(|waiter| waiter.claim(outcome))
    }
}
