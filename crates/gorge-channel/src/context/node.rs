//! The tree of contexts: a counted node per context, which keeps its parent
//! alive and is listed by it.
//!
//! ```text
//!   parent ◄──────────────┬───────────────┐     counted, upwards
//!     │ children          │               │
//!     └──────────────► child ◄──────► child     uncounted, down and sideways
//! ```
//!
//! * [`NodeRef::child`] links a new node below another one;
//! * [`NodeRef::cancel`] cancels a node and all below it;
//! * dropping the last reference unlinks the node and frees it.
//!
//! Who may touch what: a node's lock guards its `children` and the `siblings`
//! of each of these. `above` belongs to the one cancel that won the node. No
//! two locks are ever held at once, and under a lock links change and nothing
//! else happens. Neither cancelling nor freeing recurses, however deep the tree.
//!
//! Why no child is missed by a cancel: the reason is announced before the
//! children are taken out. A child that is linked under the parent's lock
//! before they are taken out is among them; one that comes later finds the
//! reason, because it takes the lock after the canceller has released it.

use super::ContextError;
use super::status::{Look, Status};
use crate::Receiver;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_runtime::primitive::{RawLock, UnsafeCell};
use std::mem;
use std::ops::Deref;
use std::process;
use std::ptr::NonNull;

pub(super) struct Node {
    references: AtomicUsize,
    status: Status,
    done: Receiver<()>,
    kind: Kind,
    /// The parent, until the node is freed.
    parent: Option<NodeRef>,
    lock: RawLock,
    /// The first child. Under this node's lock.
    children: UnsafeCell<Option<NonNull<Node>>>,
    /// Under the parent's lock.
    siblings: UnsafeCell<Siblings>,
    /// The node that a cancel returns to when it is through with this one.
    above: UnsafeCell<Option<NodeRef>>,
}

/// What made a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Background,
    Todo,
    Cancel,
}

#[derive(Clone, Copy)]
struct Siblings {
    prev: Option<NonNull<Node>>,
    next: Option<NonNull<Node>>,
    linked: bool,
}

/// A counted reference to a node.
pub(super) struct NodeRef(NonNull<Node>);

// SAFETY: the fields that change are atomic, or touched by one thread at a
// time as the module says; the others are `Send` and `Sync`.
unsafe impl Send for NodeRef {}
// SAFETY: as above.
unsafe impl Sync for NodeRef {}

impl NodeRef {
    /// A context that is never done.
    pub(super) fn root(kind: Kind) -> NodeRef {
        NodeRef::new(kind, None)
    }

    /// A context below `parent`: done when that is, or when it is cancelled.
    pub(super) fn child(parent: &NodeRef) -> NodeRef {
        let child = NodeRef::new(Kind::Cancel, Some(parent.clone()));
        if let Some(reason) = parent.adopt(&child) {
            child.cancel(reason);
        }
        child
    }

    fn new(kind: Kind, parent: Option<NodeRef>) -> NodeRef {
        NodeRef(NonNull::from(Box::leak(Box::new(Node {
            references: AtomicUsize::new(1),
            status: Status::open(),
            done: Receiver::without_sender(),
            kind,
            parent,
            lock: RawLock::new(),
            children: UnsafeCell::new(None),
            siblings: UnsafeCell::new(Siblings {
                prev: None,
                next: None,
                linked: false,
            }),
            above: UnsafeCell::new(None),
        }))))
    }

    /// Cancels this context and all below it, unless that has happened. Returns
    /// whether this call did.
    pub(super) fn cancel(&self, reason: ContextError) -> bool {
        if !self.end(reason) {
            return false;
        }
        if let Some(parent) = &self.parent {
            parent.disown(self.0);
        }
        let mut node = self.clone();
        loop {
            let next = match node.take_child() {
                // One that somebody else has cancelled is theirs to deal with.
                Some(child) if !child.end(reason) => continue,
                Some(child) => {
                    let above = mem::replace(&mut node, child);
                    // SAFETY: `end` was won here, so `above` is this call's.
                    node.above.with_mut(|field| unsafe { *field = Some(above) });
                    continue;
                }
                // SAFETY: `end` was won by this call for all nodes on the way.
                None => node.above.with_mut(|field| unsafe { (*field).take() }),
            };
            match next {
                Some(above) => node = above,
                None => return true,
            }
        }
    }

    /// A reference to a node that may be about to be freed; none if it is.
    ///
    /// # Safety
    ///
    /// The node's memory is valid.
    unsafe fn revive(node: NonNull<Node>) -> Option<NodeRef> {
        // SAFETY: the caller's contract.
        let references = unsafe { &node.as_ref().references };
        // Relaxed: what the node holds was seen through the parent's lock.
        references
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count != 0).then_some(count + 1)
            })
            .is_ok()
            .then_some(NodeRef(node))
    }
}

impl Node {
    pub(super) fn done(&self) -> &Receiver<()> {
        &self.done
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Why the context is done. When this says a reason, the done channel is
    /// closed.
    pub(super) fn reason(&self) -> Option<ContextError> {
        match self.status.look() {
            Look::Open => None,
            Look::Settled(reason) => Some(reason),
            Look::Announced(reason) => {
                self.close_done();
                Some(reason)
            }
        }
    }

    /// Ends this one context; true for the one call that does.
    fn end(&self, reason: ContextError) -> bool {
        let ends = self.status.announce(reason);
        if ends {
            self.close_done();
        }
        ends
    }

    fn close_done(&self) {
        self.done.close_as_owner();
        self.status.settle();
    }

    /// Whether children have to be told of a cancel.
    fn lists_children(&self) -> bool {
        self.kind == Kind::Cancel
    }

    /// Links a new node as a child, unless this one has ended: then the child
    /// has to end for the same reason.
    fn adopt(&self, child: &NodeRef) -> Option<ContextError> {
        if !self.lists_children() {
            return None;
        }
        self.locked(|children| {
            if let Look::Announced(reason) | Look::Settled(reason) = self.status.look() {
                return Some(reason);
            }
            let next = children.replace(child.0);
            if let Some(next) = next {
                // SAFETY: `next` is a child, and the lock is held.
                unsafe { siblings_of(next, |siblings| siblings.prev = Some(child.0)) };
            }
            let links = Siblings {
                prev: None,
                next,
                linked: true,
            };
            // SAFETY: the node becomes a child here, and the lock is held.
            unsafe { siblings_of(child.0, |siblings| *siblings = links) };
            None
        })
    }

    /// Unlinks a child, unless a cancel has done so.
    fn disown(&self, child: NonNull<Node>) {
        if self.lists_children() {
            // SAFETY: the lock is held, and it guards the links of a child.
            self.locked(|children| unsafe { unlink(children, child) });
        }
    }

    /// Unlinks some child that is not about to be freed.
    fn take_child(&self) -> Option<NodeRef> {
        self.locked(|children| {
            while let Some(child) = *children {
                // SAFETY: the lock is held. A listed child's memory is valid:
                // it is not freed before it has unlinked itself, under this
                // lock. Freeing unlinks it again, which then does nothing.
                unsafe {
                    unlink(children, child);
                    if let Some(child) = NodeRef::revive(child) {
                        return Some(child);
                    }
                }
            }
            None
        })
    }

    /// Runs `f`, which changes links and nothing else, under the lock.
    fn locked<R>(&self, f: impl FnOnce(&mut Option<NonNull<Node>>) -> R) -> R {
        self.lock.lock();
        // SAFETY: the lock is held, so the list is this thread's alone.
        let result = self
            .children
            .with_mut(|children| f(unsafe { &mut *children }));
        // SAFETY: it was taken above.
        unsafe { self.lock.unlock() };
        result
    }
}

/// # Safety
///
/// The node is a child of one whose lock is held, or becomes one.
unsafe fn siblings_of<R>(node: NonNull<Node>, f: impl FnOnce(&mut Siblings) -> R) -> R {
    // SAFETY: a listed child is valid, and its links are the lock holder's.
    unsafe {
        node.as_ref()
            .siblings
            .with_mut(|siblings| f(&mut *siblings))
    }
}

/// Takes a child out of the list, if it is there.
///
/// # Safety
///
/// `children` is a node's list, whose lock is held, and `child` is valid and
/// was made below that node.
unsafe fn unlink(children: &mut Option<NonNull<Node>>, child: NonNull<Node>) {
    // SAFETY: the child's links and those of its siblings, which are listed and
    // hence valid, are the lock holder's.
    unsafe {
        let links = siblings_of(child, |siblings| *siblings);
        if !links.linked {
            return;
        }
        match links.prev {
            Some(prev) => siblings_of(prev, |siblings| siblings.next = links.next),
            None => *children = links.next,
        }
        if let Some(next) = links.next {
            siblings_of(next, |siblings| siblings.prev = links.prev);
        }
        siblings_of(child, |siblings| siblings.linked = false);
    }
}

impl Deref for NodeRef {
    type Target = Node;

    fn deref(&self) -> &Node {
        // SAFETY: the node is freed when the last reference goes.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for NodeRef {
    fn clone(&self) -> NodeRef {
        // Relaxed: the reference that is cloned keeps the node there.
        if self.references.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            // So many references were leaked; the count would wrap.
            process::abort();
        }
        NodeRef(self.0)
    }
}

impl Drop for NodeRef {
    /// Frees the node if this was the last reference, and then the parent if
    /// that was its last, and so on, without recursion.
    fn drop(&mut self) {
        let mut node = self.0;
        loop {
            // SAFETY: this holds a reference, which it gives up here.
            let references = unsafe { &node.as_ref().references };
            // Release: what was done through this reference comes before the
            // node is freed. Acquire: the last one pairs with all of these.
            if references.fetch_sub(1, Ordering::AcqRel) != 1 {
                return;
            }
            // SAFETY: that was the last reference, and none can be revived.
            match unsafe { free(node) } {
                Some(parent) => {
                    node = parent.0;
                    mem::forget(parent);
                }
                None => return,
            }
        }
    }
}

/// Unlinks and frees a node, and returns its reference to the parent.
///
/// # Safety
///
/// The reference count has reached zero.
unsafe fn free(node: NonNull<Node>) -> Option<NodeRef> {
    // SAFETY: nobody frees it but this call.
    if let Some(parent) = unsafe { &node.as_ref().parent } {
        parent.disown(node);
    }
    // SAFETY: it came from a box. There is no reference, and no list leads here
    // any more: whoever looked did so under the parent's lock, before `disown`.
    let mut node = unsafe { Box::from_raw(node.as_ptr()) };
    node.parent.take()
}
