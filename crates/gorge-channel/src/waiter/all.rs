//! Many claimed parties, to be woken when the lock is free.
//!
//! They are chained through their own nodes, so that it takes no memory however many they
//! are. Those that block are woken first, then the futures, each kind in order: a future's
//! waker may run anything, and wait for one of the others.

use super::Node;
use std::ptr::NonNull;

/// Parties that a close has won, or that are told to look.
#[derive(Default)]
#[must_use = "the claimed parties sleep until they are woken"]
pub(crate) struct ClaimedAll {
    blocked: Chain,
    futures: Chain,
}

impl ClaimedAll {
    /// # Safety
    ///
    /// The node's party was claimed, the claim is kept in the node, and the
    /// node is in no list.
    pub(super) unsafe fn push(&mut self, node: NonNull<Node>) {
        // SAFETY: the caller's contract; the node is the claimer's to use.
        unsafe {
            match (*node.as_ptr()).is_future {
                true => self.futures.push(node),
                false => self.blocked.push(node),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocked.first.is_none() && self.futures.first.is_none()
    }

    /// Wakes all. Not under the channel's lock.
    #[inline]
    pub(crate) fn wake(self) {
        if !self.is_empty() {
            self.blocked.wake();
            self.futures.wake();
        }
    }
}

#[derive(Default)]
struct Chain {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
}

impl Chain {
    /// # Safety
    ///
    /// As for [`ClaimedAll::push`].
    unsafe fn push(&mut self, node: NonNull<Node>) {
        // SAFETY: both nodes' parties are claimed and not woken, so their
        // frames are there and the claimer's to use.
        unsafe {
            (*node.as_ptr()).next = None;
            match self.last {
                Some(last) => (*last.as_ptr()).next = Some(node),
                None => self.first = Some(node),
            }
        }
        self.last = Some(node);
    }

    fn wake(mut self) {
        while let Some(node) = self.first {
            // SAFETY: the node is valid until its party is woken. That happens
            // after its fields were read, and they are not read again. By their places
            // alone, as a future may look at another one meanwhile.
            let claim = unsafe {
                self.first = (*node.as_ptr()).next;
                (*node.as_ptr()).claim.take()
            };
            if let Some(claim) = claim {
                claim.wake();
            }
        }
    }
}
