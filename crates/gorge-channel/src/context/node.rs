//! The tree of contexts: a counted node per context, which keeps its parent alive.
//!
//! ```text
//!   parent ◄──────────────┬───────────────┐     counted, upwards
//!     │ children          │               │
//!     └──────────────► child ◄──────► child     uncounted, down and sideways
//! ```
//!
//! A context that can be cancelled is listed by the nearest one above it that can be
//! cancelled, too: its *canceller* (a context that only carries a value is passed over). So
//! is what [`after_func`](super::Context::after_func) is to run, by a link that is counted:
//! the list keeps it. How a cancel goes down the tree: [`tree`](super::tree).
//!
//! Who may touch what: a node's lock guards its `children` and the `siblings` of each of
//! these, and is held when its reason and cause are set, and when its done channel is put in
//! its place. `above` belongs to the one call that ended the node. No two locks are ever
//! held at once, and under a lock a few words change and nothing else happens. Freeing does
//! not recurse, however deep the tree.
//!
//! A deadline needs no timer: everybody who asks looks at the clock, and waits until then at
//! most. The first to find that it has passed [ends](super::tree) the node whose deadline
//! it is.

use super::error::{Cause, ContextError, Ending};
use super::status::{Look, Status};
use crate::Receiver;
use crate::overdue;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_runtime::primitive::{RawLock, UnsafeCell};
use std::any::{Any, type_name};
use std::mem;
use std::ops::Deref;
use std::process;
use std::ptr::NonNull;
use std::time::Instant;

pub(super) struct Node {
    pub(super) references: AtomicUsize,
    pub(super) status: Status,
    pub(super) kind: Kind,
    /// How many may still cancel it: its guard, its canceller, its own deadline.
    pub(super) sources: AtomicUsize,
    pub(super) lock: RawLock,
    /// There once the status says so, and from then on the same.
    done: UnsafeCell<Option<Receiver<()>>>,
    /// The context that it was derived from, until the node is freed.
    parent: Option<NodeRef>,
    /// The nearest node that can be cancelled, of this one and those above.
    pub(super) canceller: Option<NonNull<Node>>,
    /// The node whose deadline comes first, of this one and those above.
    timed: Option<NonNull<Node>>,
    /// The first child. Under this node's lock.
    pub(super) children: UnsafeCell<Option<NonNull<Node>>>,
    /// Under the lock of the one that lists it.
    pub(super) siblings: UnsafeCell<Siblings>,
    /// The node that a cancel returns to when it is through with this one.
    pub(super) above: UnsafeCell<Option<NodeRef>>,
    /// Written once, before the reason is announced.
    cause: UnsafeCell<Option<Cause>>,
}

/// What made a context.
pub(super) enum Kind {
    Background,
    Todo,
    Cancel,
    Deadline(Deadline),
    Value(Box<dyn Carried>),
    WithoutCancel,
    /// Keeps something until no context below needs it.
    Keeper(#[allow(dead_code, reason = "kept to be dropped")] Box<dyn Any + Send + Sync>),
    /// Not a context: what is to run when its parent is done. That of whoever ends it.
    AfterFunc(UnsafeCell<Option<Func>>),
}

pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) cause: Option<Cause>,
}

pub(super) type Func = Box<dyn FnOnce() + Send>;

/// A value of any type, with that one's name.
pub(super) trait Carried: Any + Send + Sync {
    fn name(&self) -> &'static str;
}

impl<V: Any + Send + Sync> Carried for V {
    fn name(&self) -> &'static str {
        type_name::<V>()
    }
}

#[derive(Clone, Copy)]
pub(super) struct Siblings {
    pub(super) prev: Option<NonNull<Node>>,
    pub(super) next: Option<NonNull<Node>>,
    pub(super) linked: bool,
}

/// A counted reference to a node.
pub(super) struct NodeRef(NonNull<Node>);

// SAFETY: the fields that change are atomic, or touched by one thread at a
// time as the module says; the others are `Send` and `Sync`. A function that is to run is
// `Send`, and taken by one thread.
unsafe impl Send for NodeRef {}
// SAFETY: as above.
unsafe impl Sync for NodeRef {}

impl NodeRef {
    /// A context that is never done.
    pub(super) fn root(kind: Kind) -> NodeRef {
        NodeRef::new(kind, None, 1)
    }

    /// A context below `parent` that cannot be cancelled by itself.
    pub(super) fn below(parent: &NodeRef, kind: Kind) -> NodeRef {
        NodeRef::new(kind, Some(parent.clone()), 1)
    }

    /// A node below `parent` that is not linked yet. `references` is how many the caller
    /// makes of the one that is returned.
    pub(super) fn new(kind: Kind, parent: Option<NodeRef>, references: usize) -> NodeRef {
        let (above, timed) = match (&kind, &parent) {
            (Kind::WithoutCancel, _) | (_, None) => (None, None),
            (_, Some(parent)) => (parent.canceller, parent.timed),
        };
        // The guard, and the node that lists it; a deadline is one more.
        let sources = match kind {
            Kind::Deadline(_) => 3,
            _ => 2,
        };
        let node = NonNull::from(Box::leak(Box::new(Node {
            references: AtomicUsize::new(references),
            status: Status::open(),
            kind,
            sources: AtomicUsize::new(sources),
            lock: RawLock::new(),
            done: UnsafeCell::new(None),
            parent,
            canceller: above,
            timed,
            children: UnsafeCell::new(None),
            siblings: UnsafeCell::new(Siblings {
                prev: None,
                next: None,
                linked: false,
            }),
            above: UnsafeCell::new(None),
            cause: UnsafeCell::new(None),
        })));
        // SAFETY: nobody else knows the node.
        let fields = unsafe { &mut *node.as_ptr() };
        if matches!(fields.kind, Kind::Cancel | Kind::Deadline(_)) {
            fields.canceller = Some(node);
        }
        if matches!(fields.kind, Kind::Deadline(_)) {
            fields.timed = Some(node);
        }
        NodeRef(node)
    }

    pub(super) fn pointer(&self) -> NonNull<Node> {
        self.0
    }

    /// # Safety
    ///
    /// The caller gives up a reference that was counted.
    pub(super) unsafe fn counted(node: NonNull<Node>) -> NodeRef {
        NodeRef(node)
    }

    /// A reference to a node that may be about to be freed; none if it is.
    ///
    /// # Safety
    ///
    /// The node's memory is valid.
    pub(super) unsafe fn revive(node: NonNull<Node>) -> Option<NodeRef> {
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
    pub(super) fn parent(&self) -> Option<&Node> {
        self.parent.as_deref()
    }

    /// The node that says whether this context is done; none if it never is.
    #[inline]
    pub(super) fn canceller(&self) -> Option<&Node> {
        // SAFETY: it is this node, or one that this one keeps by way of its parents.
        self.canceller.map(|node| unsafe { node.as_ref() })
    }

    /// The node that lists this one, if it is one that is listed.
    pub(super) fn lister(&self) -> Option<&Node> {
        match self.kind {
            Kind::Cancel | Kind::Deadline(_) | Kind::AfterFunc(_) => self.parent()?.canceller(),
            _ => None,
        }
    }

    /// The node whose deadline this one has to keep.
    #[inline]
    pub(super) fn timed(&self) -> Option<&Node> {
        // SAFETY: as in `canceller`.
        self.timed.map(|node| unsafe { node.as_ref() })
    }

    #[inline]
    pub(super) fn own_deadline(&self) -> Option<&Deadline> {
        match &self.kind {
            Kind::Deadline(deadline) => Some(deadline),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = self.timed()?.own_deadline();
        deadline.map(|deadline| deadline.at)
    }

    /// Whether the time is over, also if nobody has noticed.
    #[inline]
    pub(super) fn is_overdue(&self) -> bool {
        self.deadline().is_some_and(overdue::has_passed)
    }

    /// As [`is_overdue`](Node::is_overdue), for whoever is about to end it in another way: at
    /// the very instant of the deadline, that may have come first.
    pub(super) fn is_too_late_to_end(&self) -> bool {
        self.deadline().is_some_and(overdue::has_passed_before)
    }

    /// A value of this type, the one that was added last.
    pub(super) fn value<V: Any>(&self) -> Option<&V> {
        let mut node = Some(self);
        while let Some(Node { kind, parent, .. }) = node {
            if let Kind::Value(value) = kind
                && let Some(value) = (&**value as &dyn Any).downcast_ref()
            {
                return Some(value);
            }
            node = parent.as_deref();
        }
        None
    }

    /// Of a canceller: why it is done. When this says a reason, the done channel is closed.
    #[inline]
    pub(super) fn reason(&self) -> Option<ContextError> {
        match self.status.look() {
            Look::Open if self.is_overdue() => Some(self.expire()),
            Look::Open | Look::Doomed => None,
            Look::Settled(reason) => Some(reason),
            Look::Announced(reason) => {
                self.close_done();
                Some(reason)
            }
        }
    }

    /// Why it has ended, of one that has.
    pub(super) fn ending(&self) -> Option<Ending> {
        let (Look::Announced(reason) | Look::Settled(reason)) = self.status.look() else {
            return None;
        };
        // SAFETY: it was written before the reason was announced, and is not any more.
        let cause = self.cause.with(|cause| unsafe { (*cause).clone() });
        Some(Ending { reason, cause })
    }

    /// Under the lock: sets the reason and the cause, for the first who does so. What is
    /// returned is to be dropped without the lock.
    pub(super) fn announce(&self, ending: Ending) -> Result<(), Ending> {
        if !matches!(self.status.look(), Look::Open) {
            return Err(ending);
        }
        // SAFETY: nobody reads it before the reason is announced, and nobody else announces
        // one: the lock is held.
        self.cause
            .with_mut(|cause| unsafe { *cause = ending.cause });
        let announced = self.status.announce(ending.reason);
        debug_assert!(announced, "the lock is held");
        Ok(())
    }

    /// What says that this context is done: made when somebody asks for it.
    #[inline]
    pub(super) fn done(&self) -> &Receiver<()> {
        let node = self.canceller().unwrap_or(self);
        if !node.status.has_done() {
            node.make_done();
        }
        // SAFETY: it is there, as the status says, and is not touched until the node goes.
        let done = node.done.with(|done| unsafe { (*done).as_ref() });
        done.expect("it was made before the status says so")
    }

    #[cold]
    fn make_done(&self) {
        let mut done = Some(match (self.canceller, self.deadline()) {
            (None, _) => Receiver::never(),
            (_, None) => Receiver::without_sender(),
            (_, Some(deadline)) => Receiver::expiring(deadline),
        });
        let mut is_closed = false;
        loop {
            // Closed before anybody sees it: who was told a reason may come first.
            if let (false, true, Some(done)) = (is_closed, self.status.has_ended(), &done) {
                is_closed = done.close_as_owner();
            }
            self.lock.lock();
            let must_wait = self.status.has_ended() && !is_closed;
            if !must_wait && !self.status.has_done() {
                // SAFETY: nobody reads it before the status says that it is there, and
                // nobody else writes it: the lock is held.
                self.done.with_mut(|place| unsafe { *place = done.take() });
                self.status.made_done();
            }
            let has_done = self.status.has_done();
            // SAFETY: it was taken above.
            unsafe { self.lock.unlock() };
            if has_done {
                return;
            }
        }
    }

    /// Closes the done channel, if a reason was announced while there was one.
    pub(super) fn close_done(&self) {
        if let Look::Announced(_) = self.status.look() {
            self.done().close_as_owner();
            self.status.settle();
        }
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
    let listed = unsafe { node.as_ref() };
    // One that has ended was unlinked before.
    if matches!(listed.status.look(), Look::Open)
        && let Some(lister) = listed.lister()
    {
        drop(lister.disown(node));
    }
    // SAFETY: it came from a box. There is no reference, and no list leads here
    // any more: whoever looked did so under the parent's lock, before `disown`.
    let mut node = unsafe { Box::from_raw(node.as_ptr()) };
    let parent = node.parent.take();
    // Foreign code: destructors of values and causes. If one panics, the unwinding goes on
    // with the parent.
    drop(node);
    parent
}
