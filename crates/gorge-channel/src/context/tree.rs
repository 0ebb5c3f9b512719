//! What goes down the tree of contexts: a cancel, and the news that none will ever come.
//!
//! * [`Node::adopt`] links a child, or says why it cannot be;
//! * [`Node::cancel`] ends a node and all below it;
//! * [`Node::expire`] does so because a deadline has passed;
//! * [`Node::loses_source`] ends the hope for a cancel.
//!
//! Neither recurses: the way back is kept in the nodes. Children are taken out of their list
//! one by one, under the lock, so others come and go meanwhile. No foreign code runs under a
//! lock, and the functions that are to run after a cancel are started when all nodes have
//! ended.
//!
//! Why no child is missed by a cancel: the reason is announced under the lock, before the
//! children are taken out. A child that is linked under the parent's lock before that is
//! among them; one that comes later finds the reason.
//!
//! # Deadlines
//!
//! Whoever finds that one has passed ends the node that it belongs to, and so what is below.
//! If somebody else is just doing that and has not come to the node that was asked about,
//! that one is ended at once: its channel counts as closed already. A cancel that meets a
//! node whose own deadline has passed ends it for that reason: it was done before the cancel
//! came.

use super::error::{ContextError, Ending};
use super::node::{Func, Kind, Node, NodeRef, Siblings};
use super::status::Look;
use gorge_runtime::cancel;
use gorge_runtime::primitive::UnsafeCell;
use gorge_runtime::primitive::atomic::Ordering;
use gorge_runtime::time;
use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::thread;
use std::time::Instant;

/// What came of an attempt to link a child.
pub(super) enum Adopted {
    Linked,
    /// The parent has ended: so has the child to.
    Ended(Ending),
    /// The parent will never end.
    Never,
}

/// A context below `parent`, done when that is, or when it is cancelled; and the reference
/// of its guard.
pub(super) fn derive(parent: &NodeRef, kind: Kind) -> (NodeRef, NodeRef) {
    let child = NodeRef::new(kind, Some(parent.clone()), 2);
    // SAFETY: two references were counted, and this is the second one.
    let guard = unsafe { NodeRef::counted(child.pointer()) };
    match child.lister().map(|lister| lister.adopt(&child)) {
        Some(Adopted::Linked) => {}
        Some(Adopted::Ended(ending)) => _ = child.cancel(ending),
        Some(Adopted::Never) | None => child.loses_source(),
    }
    (child, guard)
}

/// Registers a function to run when `parent` is done. If it is, that happens now.
pub(super) fn register(parent: &NodeRef, f: Func) -> NodeRef {
    let kind = Kind::AfterFunc(UnsafeCell::new(Some(f)));
    let entry = NodeRef::new(kind, Some(parent.clone()), 1);
    // One that is counted is the list's.
    let listed = entry.clone();
    match entry.lister().map(|lister| lister.adopt(&entry)) {
        Some(Adopted::Linked) => mem::forget(listed),
        Some(Adopted::Ended(ending)) => _ = entry.cancel(ending),
        Some(Adopted::Never) | None => {}
    }
    entry
}

impl Node {
    /// Ends this context because somebody cancels it, unless it has ended or is overdue.
    pub(super) fn cancel_by_hand(&self, ending: Ending) {
        match self.status.look() {
            Look::Open if self.is_too_late_to_end() => _ = self.expire(),
            Look::Open => _ = self.cancel(ending),
            _ => {}
        }
    }

    /// Ends this context and all below it, unless that has happened. Returns whether this
    /// call did.
    pub(super) fn cancel(&self, ending: Ending) -> bool {
        let Some(has_children) = self.end(ending) else {
            return false;
        };
        if let Some(lister) = self.lister() {
            drop(lister.disown(NonNull::from(self)));
        }
        let is_function = matches!(self.kind, Kind::AfterFunc(_));
        if has_children || is_function {
            let mut functions = Functions(None);
            let mut foreign = Foreign(None);
            match is_function {
                true => functions.push(self.reference()),
                false => end_all_below(self.reference(), &mut functions, &mut foreign),
            }
            functions.start(&mut foreign);
        }
        true
    }

    /// Ends a registered function that is not to run, and drops it. True for the call that
    /// does.
    pub(super) fn withdraw(&self, ending: Ending) -> bool {
        if let Some(context) = self.lister()
            && context.is_too_late_to_end()
        {
            // What is overdue runs: it has been started, if only now.
            _ = context.reason();
        }
        if self.end(ending).is_none() {
            return false;
        }
        // SAFETY: this call ended it.
        let function = unsafe { self.take_function() };
        let listed = self.lister().map(|it| it.disown(NonNull::from(self)));
        drop((function, listed));
        true
    }

    /// Ends what is overdue, this context among it. Returns why this one has ended.
    #[cold]
    pub(super) fn expire(&self) -> ContextError {
        if let Some(owner) = self.timed() {
            owner.cancel(owner.expiry());
            // That, or what ended one between them before, was done by somebody else, who may
            // not have come here yet.
            let mut above = std::iter::successors(self.lister(), |node| node.lister());
            let ending = above.find_map(Node::ending);
            if let Some(ending) = ending.or_else(|| owner.ending()) {
                self.cancel(ending);
            }
        }
        self.close_done();
        let ending = self.ending().expect("one that is overdue was ended above");
        ending.reason
    }

    /// How it ends by its own deadline.
    fn expiry(&self) -> Ending {
        Ending {
            reason: ContextError::DeadlineExceeded,
            cause: self.own_deadline().and_then(|own| own.cause.clone()),
        }
    }

    /// Ends this one context. For the one call that does: whether it has children.
    fn end(&self, ending: Ending) -> Option<bool> {
        let (announced, has_children) = self.locked(|children| {
            let announced = self.announce(ending);
            (announced, children.is_some())
        });
        let has_ended = announced.is_ok();
        if has_ended {
            self.close_done();
        }
        // A cause that is not needed is dropped here, without the lock.
        drop(announced);
        has_ended.then_some(has_children)
    }

    /// One of those that may cancel this context will not. Without any it never ends, nor
    /// do those below that hope for that.
    pub(super) fn loses_source(&self) {
        // Relaxed: no data hangs on it, and the doomed node's state is set under its lock.
        if self.sources.fetch_sub(1, Ordering::Relaxed) == 1 && self.doom() {
            doom_all_below(self.reference());
        }
    }

    /// Whether it has children to be told.
    fn doom(&self) -> bool {
        self.locked(|children| self.status.doom() && children.is_some())
    }

    fn reference(&self) -> NodeRef {
        let this = NonNull::from(self);
        // SAFETY: whoever calls this has a reference, which is not given up.
        let borrowed = mem::ManuallyDrop::new(unsafe { NodeRef::counted(this) });
        NodeRef::clone(&borrowed)
    }

    /// Takes a registered function, for whoever ended its node.
    ///
    /// # Safety
    ///
    /// The caller is the one that did, and calls this once.
    pub(super) unsafe fn take_function(&self) -> Option<Func> {
        match &self.kind {
            // SAFETY: the caller's contract: nobody else touches it.
            Kind::AfterFunc(function) => function.with_mut(|f| unsafe { (*f).take() }),
            _ => None,
        }
    }

    /// Links a new node as a child, unless this one has ended or never will. The link of a
    /// function is counted: the caller gives a reference to it.
    fn adopt(&self, child: &NodeRef) -> Adopted {
        self.locked(|children| {
            match self.status.look() {
                Look::Open => {}
                Look::Doomed => return Adopted::Never,
                Look::Announced(_) | Look::Settled(_) => {
                    let ending = self.ending().expect("it has ended");
                    return Adopted::Ended(ending);
                }
            }
            let next = children.replace(child.pointer());
            if let Some(next) = next {
                // SAFETY: `next` is a child, and the lock is held.
                unsafe { siblings_of(next, |siblings| siblings.prev = Some(child.pointer())) };
            }
            let links = Siblings {
                prev: None,
                next,
                linked: true,
            };
            // SAFETY: the node becomes a child here, and the lock is held.
            unsafe { siblings_of(child.pointer(), |siblings| *siblings = links) };
            Adopted::Linked
        })
    }

    /// Unlinks a child, unless somebody has done so. If the link was counted, the reference.
    pub(super) fn disown(&self, child: NonNull<Node>) -> Option<NodeRef> {
        // SAFETY: the lock is held, and it guards the links of a child.
        let was_linked = self.locked(|children| unsafe { unlink(children, child) });
        // SAFETY: the caller has the child, or is about to free it.
        let is_counted = matches!(unsafe { &child.as_ref().kind }, Kind::AfterFunc(_));
        // SAFETY: the list's reference went out of it with the link.
        (was_linked && is_counted).then(|| unsafe { NodeRef::counted(child) })
    }

    /// Unlinks some child that is not about to be freed.
    fn take_child(&self) -> Option<NodeRef> {
        self.locked(|children| {
            while let Some(child) = *children {
                // SAFETY: the lock is held. A listed child's memory is valid: it is unlinked,
                // under this lock, before it is freed.
                unsafe {
                    unlink(children, child);
                    if matches!(child.as_ref().kind, Kind::AfterFunc(_)) {
                        return Some(NodeRef::counted(child));
                    }
                    if let Some(child) = NodeRef::revive(child) {
                        return Some(child);
                    }
                }
            }
            None
        })
    }

    /// Runs `f`, which changes a few words and nothing else, under the lock.
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

/// Ends all below a node that the caller has ended.
fn end_all_below(mut node: NodeRef, functions: &mut Functions, foreign: &mut Foreign) {
    let mut now = None;
    while let Some(child) = next_child(&mut node, foreign) {
        let ending = match child.own_deadline() {
            Some(own) if own.at <= *now.get_or_insert_with(time::now) => child.expiry(),
            _ => node.ending().expect("it has ended"),
        };
        match child.end(ending) {
            Some(_) if matches!(child.kind, Kind::AfterFunc(_)) => functions.push(child),
            Some(true) => descend(&mut node, child),
            // It has no children, or somebody else has ended it, who deals with them.
            Some(false) | None => foreign.drop(child),
        }
    }
}

/// Tells all below a node that the caller has doomed.
fn doom_all_below(mut node: NodeRef) {
    let mut foreign = Foreign(None);
    while let Some(child) = next_child(&mut node, &mut foreign) {
        let is_function = matches!(child.kind, Kind::AfterFunc(_));
        // A function will not run. If nobody has the means to stop it, it is dropped.
        // Relaxed: as in `loses_source`.
        if !is_function && child.sources.fetch_sub(1, Ordering::Relaxed) == 1 && child.doom() {
            descend(&mut node, child);
        } else {
            foreign.drop(child);
        }
    }
}

/// The next child of the walk's node, or else of the nodes above it, to which the walk then
/// goes back.
fn next_child(node: &mut NodeRef, foreign: &mut Foreign) -> Option<NodeRef> {
    loop {
        if let Some(child) = node.take_child() {
            return Some(child);
        }
        let above = take_above(node)?;
        foreign.drop(mem::replace(node, above));
    }
}

/// The walk goes on below a child that it has ended or doomed.
fn descend(node: &mut NodeRef, child: NodeRef) {
    let above = mem::replace(node, child);
    set_above(node, above);
}

/// Of a node that the caller has ended or doomed, as for `take_above`.
fn set_above(node: &Node, above: NodeRef) {
    // SAFETY: the field is that of whoever ended the node, or doomed it: this call.
    node.above.with_mut(|field| unsafe { *field = Some(above) });
}

fn take_above(node: &Node) -> Option<NodeRef> {
    // SAFETY: as in `set_above`.
    node.above.with_mut(|field| unsafe { (*field).take() })
}

/// Keeps foreign code, of destructors, from ending a walk half-way: its first panic goes on
/// when this is dropped, at the end.
struct Foreign(Option<Box<dyn Any + Send>>);

impl Foreign {
    fn drop(&mut self, node: NodeRef) {
        _ = self.run(|| drop(node));
    }

    fn run<R>(&mut self, f: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => Some(result),
            Err(payload) => {
                // Its destructor may panic, too.
                mem::forget(self.0.replace(payload));
                None
            }
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        match self.0.take() {
            Some(payload) if !thread::panicking() => cancel::resume_panic(payload),
            payload => mem::forget(payload),
        }
    }
}

/// Functions to be started: a list of their nodes, which the caller has ended.
struct Functions(Option<NodeRef>);

impl Functions {
    fn push(&mut self, node: NodeRef) {
        if let Some(next) = self.0.take() {
            set_above(&node, next);
        }
        self.0 = Some(node);
    }

    fn pop(&mut self) -> Option<Func> {
        let node = self.0.take()?;
        self.0 = take_above(&node);
        // SAFETY: the caller has ended it, and it is in this list once.
        unsafe { node.take_function() }
    }

    fn start(mut self, foreign: &mut Foreign) {
        while foreign.run(|| self.pop().map(start)) != Some(None) {}
    }
}

impl Drop for Functions {
    /// A list may be long: node by node.
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

#[cfg(not(gorge_loom))]
fn start(function: Func) {
    drop(gorge_runtime::go(function));
}

/// Loom's models have no goroutines.
#[cfg(gorge_loom)]
fn start(function: Func) {
    function();
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

/// Takes a child out of the list, if it is there. Returns whether it was.
///
/// # Safety
///
/// `children` is a node's list, whose lock is held, and `child` is valid and
/// was made below that node.
unsafe fn unlink(children: &mut Option<NonNull<Node>>, child: NonNull<Node>) -> bool {
    // SAFETY: the child's links and those of its siblings, which are listed and
    // hence valid, are the lock holder's.
    unsafe {
        let links = siblings_of(child, |siblings| *siblings);
        if !links.linked {
            return false;
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
    true
}

/// Whether a deadline is that of a context below `parent`: not if `parent` ends before.
pub(super) fn is_first(parent: &Node, at: Instant) -> bool {
    parent.deadline().is_none_or(|earlier| at <= earlier)
}
