//! Those who wait in one direction of a slot: a list through their own frames.
//!
//! A node lies in the frame of the party that waits. It is linked and unlinked
//! under the slot's lock. Whoever claims a waiter unlinks its node and puts it
//! into a [`Claimed`] chain, which needs no lock and no memory: a claimed
//! frame stays as it is until it is woken. A party whose wait ended otherwise
//! unlinks its node itself.

use crate::park::{Claim, Outcome, Waiter};
use std::cell::Cell;
use std::ptr::NonNull;

/// A place in the list, in the frame of the party that waits.
pub(super) struct Node {
    waiter: Cell<Option<Waiter>>,
    claim: Cell<Option<Claim>>,
    next: Cell<Option<NonNull<Node>>>,
    previous: Cell<Option<NonNull<Node>>>,
}

impl Node {
    pub(super) fn new() -> Node {
        Node {
            waiter: Cell::new(None),
            claim: Cell::new(None),
            next: Cell::new(None),
            previous: Cell::new(None),
        }
    }
}

/// The list: first in, first claimed.
#[derive(Default)]
pub(super) struct Waiters {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Links `node` as the last.
    ///
    /// # Safety
    ///
    /// The node is in no list, and stays where it is and untouched until it is
    /// [removed](Waiters::remove) or its waiter has been woken. The lock that
    /// protects this list is held, as for every method here.
    pub(super) unsafe fn push(&mut self, node: &Node, waiter: Waiter) {
        node.waiter.set(Some(waiter));
        node.next.set(None);
        node.previous.set(self.last);
        let node = NonNull::from(node);
        match self.last.replace(node) {
            // SAFETY: nodes in the list are valid, by `push`'s contract.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(node)),
            None => self.first = Some(node),
        }
    }

    /// Unlinks `node`.
    ///
    /// # Safety
    ///
    /// The node is in this list.
    pub(super) unsafe fn remove(&mut self, node: &Node) {
        let (previous, next) = (node.previous.get(), node.next.get());
        match previous {
            // SAFETY: nodes in the list are valid, by `push`'s contract.
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => self.first = next,
        }
        match next {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.previous.set(previous),
            None => self.last = previous,
        }
    }

    /// Claims all who still wait. A waiter that somebody else has claimed (its
    /// deadline, a cancel) stays in the list until it takes itself out.
    pub(super) fn claim_all(&mut self, outcome: Outcome, claimed: &mut Claimed) {
        let mut cursor = self.first;
        while let Some(node) = cursor {
            // SAFETY: nodes in the list are valid, by `push`'s contract, and a
            // claimed one until it is woken, which is later.
            let node = unsafe { node.as_ref() };
            cursor = node.next.get();
            // SAFETY: it was found published, under the lock under which it
            // would be taken back.
            let claim = node
                .waiter
                .get()
                .and_then(|it| unsafe { it.claim(outcome) });
            if let Some(claim) = claim {
                // SAFETY: it is in this list.
                unsafe { self.remove(node) };
                node.claim.set(Some(claim));
                claimed.append(node);
            }
        }
    }
}

/// Claimed waiters, in order: an iterator over the claims. Those that are not
/// taken from it are woken when it is dropped, which is after the lock's
/// release.
#[must_use = "those in it sleep until they are woken"]
#[derive(Default)]
pub(super) struct Claimed {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
    count: usize,
}

impl Claimed {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// `node` has been claimed and unlinked, and carries the claim.
    fn append(&mut self, node: &Node) {
        self.count += 1;
        node.next.set(None);
        let node = NonNull::from(node);
        match self.last.replace(node) {
            // SAFETY: a claimed frame stays as it is until it is woken, and
            // that happens only after its node has left this chain.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(node)),
            None => self.first = Some(node),
        }
    }
}

impl Iterator for Claimed {
    type Item = Claim;

    fn next(&mut self) -> Option<Claim> {
        // SAFETY: as in `append`.
        let node = unsafe { self.first?.as_ref() };
        self.first = node.next.get();
        if self.first.is_none() {
            self.last = None;
        }
        node.claim.take()
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.for_each(Claim::wake);
    }
}
