//! First in, first out: a queue of waiters that costs its owner one word.
//!
//! The nodes lie on the waiters' own stacks, so queueing allocates nothing, and
//! they are linked both ways, so a waiter that gives up leaves in O(1).
//!
//! ```text
//!   Queue { head } ──► node ⇄ node ⇄ node
//!                       │              ▲
//!                       └──── tail ────┘      (kept by the first node)
//! ```
//!
//! * [`push_back`](Queue::push_back), [`push_front`](Queue::push_front): publish
//!   a waiter.
//! * [`claim_first`](Queue::claim_first), [`claim_only_first`](Queue::claim_only_first),
//!   [`claim_all`](Queue::claim_all), [`claim_within`](Queue::claim_within): take
//!   waiters out and claim them.
//! * [`remove`](Queue::remove): a waiter takes itself back.
//! * [`carry`](Queue::carry), [`put_down`](Queue::put_down): two queues of one
//!   owner cost one word while nobody holds the lock.
//! * [`take_waiting`](Queue::take_waiting), [`append`](Queue::append): pass
//!   waiters on to the queue of another object, without claiming them.
//!
//! Whoever has `&mut Queue` holds the lock of the object that the queue belongs
//! to. All fields of all its nodes are under that lock, with one exception: the
//! nodes of waiters that were claimed and not yet woken belong to the claimer,
//! alone, until it wakes them.

use gorge_runtime::park::{Claim, Outcome, Waiter};
use gorge_runtime::primitive::UnsafeCell;
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};
use std::cell::Cell;
use std::ptr::NonNull;

/// Where a waiter stands in a queue. It lives in the blocked operation's frame.
///
/// Aligned so that the low four bits of its address are free for flags.
#[repr(align(16))]
pub(crate) struct Node {
    fields: UnsafeCell<Fields>,
    /// How much its waiter waits for, where that differs from one to the next.
    need: usize,
    /// Whether it was passed on to the queue of another object, under whose lock
    /// its fields are since. This one stays under the lock of the first.
    passed_on: AtomicBool,
}

#[derive(Default)]
struct Fields {
    /// Whom to wake: set while the node is queued.
    waiter: Option<Waiter>,
    /// What `claim_all` found, until the wake-up.
    claim: Option<Claim>,
    /// The waiter lost a race for what it waits for once too often.
    urgent: bool,
    previous: Option<NonNull<Node>>,
    next: Option<NonNull<Node>>,
    /// The last node; valid in the first one.
    tail: Option<NonNull<Node>>,
    /// The first node of another queue, which the first one of this keeps.
    carried: Option<NonNull<Node>>,
}

impl Node {
    pub(crate) fn new() -> Node {
        Node::needing(0)
    }

    /// The node of a waiter that [`claim_within`](Queue::claim_within) is to weigh.
    pub(crate) fn needing(need: usize) -> Node {
        Node {
            fields: UnsafeCell::new(Fields::default()),
            need,
            passed_on: AtomicBool::new(false),
        }
    }

    /// Whether [`take_waiting`](Queue::take_waiting) has taken it. For its owner,
    /// under the lock of the queue that it was pushed to.
    pub(crate) fn is_passed_on(&self) -> bool {
        // Relaxed: written under the same lock.
        self.passed_on.load(Ordering::Relaxed)
    }
}

/// Reads or changes the fields of a node.
///
/// # Safety
///
/// The node is alive, and no other thread touches its fields meanwhile: the
/// caller holds the queue's lock, or has claimed its waiter. `f` touches no
/// other node.
unsafe fn edit<R>(node: NonNull<Node>, f: impl FnOnce(&mut Fields) -> R) -> R {
    // SAFETY: alive, by this contract; shared with others only as a cell.
    let node = unsafe { node.as_ref() };
    // SAFETY: the caller is the only one who touches the fields now.
    node.fields.with_mut(|fields| f(unsafe { &mut *fields }))
}

/// A queue of waiters.
///
/// Invariant: every node in it is alive and stays where it is, because its
/// owner takes it back, under the same lock, before it leaves.
#[derive(Default)]
pub(crate) struct Queue {
    head: Option<NonNull<Node>>,
}

// SAFETY: the nodes that the queue names stay alive on whichever thread it is
// used (its invariant), and their fields go with the lock.
unsafe impl Send for Queue {}

impl Queue {
    /// An empty one.
    pub(crate) const fn new() -> Queue {
        Queue { head: None }
    }

    /// The queue that [`into_head`](Queue::into_head) gave up.
    ///
    /// # Safety
    ///
    /// `head` came from `into_head`, and no other queue was made from it since.
    pub(crate) unsafe fn from_head(head: *mut Node) -> Queue {
        Queue {
            head: NonNull::new(head),
        }
    }

    /// The queue as one word; null when it is empty.
    pub(crate) fn into_head(self) -> *mut Node {
        self.head.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    /// Queues a waiter behind all others.
    ///
    /// # Safety
    ///
    /// `node` is in no queue, and stays alive and in place until it was
    /// [removed](Queue::remove) or claimed and woken.
    pub(crate) unsafe fn push_back(&mut self, node: &Node, waiter: Waiter) {
        // SAFETY: this contract.
        unsafe { self.link_back(NonNull::from(node), waiter) };
    }

    /// # Safety
    ///
    /// As for [`push_back`](Queue::push_back); `new` is alive, and the caller's.
    unsafe fn link_back(&mut self, new: NonNull<Node>, waiter: Waiter) {
        let Some(head) = self.head else {
            // SAFETY: as for the non-empty queue below.
            unsafe { edit(new, |fields| *fields = Fields::first_and_last(new, waiter)) };
            self.head = Some(new);
            return;
        };
        // SAFETY: `new` is the caller's, `head` and `last` are queued and thus
        // alive, and `&mut self` says that the lock is held.
        unsafe {
            let last = edit(head, |fields| fields.tail.replace(new)).expect("a head has a tail");
            edit(last, |fields| fields.next = Some(new));
            edit(new, |fields| {
                *fields = Fields {
                    waiter: Some(waiter),
                    previous: Some(last),
                    ..Fields::default()
                }
            });
        }
    }

    /// Queues a waiter before all others: it was first already, and lost a race.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Queue::push_back).
    pub(crate) unsafe fn push_front(&mut self, node: &Node, waiter: Waiter, urgent: bool) {
        let new = NonNull::from(node);
        let mut new_fields = Fields::first_and_last(new, waiter);
        new_fields.urgent = urgent;
        if let Some(old) = self.head {
            new_fields.next = Some(old);
            // SAFETY: `old` is queued and thus alive; the lock is held.
            new_fields.tail = unsafe {
                edit(old, |fields| {
                    fields.previous = Some(new);
                    fields.tail.take()
                })
            };
        }
        // SAFETY: the node is the caller's, and the lock is held.
        unsafe { edit(new, |fields| *fields = new_fields) };
        self.head = Some(new);
    }

    /// Takes out waiters, oldest first, until one can be claimed.
    ///
    /// `outcome` says what to tell a waiter, by whether it is urgent. Those
    /// whose wait ended otherwise meanwhile will find that they are not queued
    /// any more.
    pub(crate) fn claim_first(
        &mut self,
        outcome: impl Fn(bool) -> Outcome,
    ) -> Option<(Claim, Outcome)> {
        loop {
            let (_, waiter, urgent) = self.pop_front()?;
            let outcome = outcome(urgent);
            // SAFETY: the waiter was queued a moment ago, and the lock, under
            // which it would take itself back, is held.
            if let Some(claim) = unsafe { waiter.claim(outcome) } {
                return Some((claim, outcome));
            }
        }
    }

    /// Takes out the first waiter, and claims it if it can be: for a queue in
    /// which the next one waits for something else.
    pub(crate) fn claim_only_first(&mut self, outcome: Outcome) -> Option<Claim> {
        let (_, waiter, _) = self.pop_front()?;
        // SAFETY: as in `claim_first`.
        unsafe { waiter.claim(outcome) }
    }

    /// Takes out and claims all waiters.
    pub(crate) fn claim_all(&mut self, outcome: Outcome) -> Claimed {
        self.claim_while(outcome, |_| true, |_| {})
    }

    /// Takes out and claims waiters, oldest first, until one needs more than is
    /// left of `budget`. Those who are claimed take what they need from it.
    pub(crate) fn claim_within(&mut self, budget: &mut usize, outcome: Outcome) -> Claimed {
        let budget = Cell::from_mut(budget);
        self.claim_while(
            outcome,
            |need| need <= budget.get(),
            |need| budget.set(budget.get() - need),
        )
    }

    /// Takes out waiters for as long as the first one's need `fits`, and claims
    /// them; `take` hears of those whose wait had not ended otherwise.
    fn claim_while(
        &mut self,
        outcome: Outcome,
        fits: impl Fn(usize) -> bool,
        take: impl Fn(usize),
    ) -> Claimed {
        let mut claimed = Claimed::none();
        let mut last = None;
        while let Some(need) = self.first_need().filter(|need| fits(*need))
            && let Some((node, waiter, _)) = self.pop_front()
        {
            // SAFETY: as in `claim_first`.
            let Some(claim) = (unsafe { waiter.claim(outcome) }) else {
                continue;
            };
            take(need);
            // SAFETY: the node's waiter is claimed and not woken: it is alive,
            // and its fields are ours. `last` is the one before, likewise.
            unsafe {
                edit(node, |fields| fields.claim = Some(claim));
                match last {
                    None => claimed.first = Some(node),
                    Some(last) => edit(last, |fields| fields.next = Some(node)),
                }
            }
            last = Some(node);
            claimed.count += 1;
        }
        claimed
    }

    /// What the first waiter needs.
    fn first_need(&self) -> Option<usize> {
        // SAFETY: queued and thus alive; nobody writes the need of a node.
        self.head.map(|head| unsafe { head.as_ref() }.need)
    }

    /// Takes out waiters, oldest first, `most` of those whose wait still goes on,
    /// and whoever is between them. Returns the former as a queue, and how many
    /// they are.
    ///
    /// They are not claimed: a deadline or a cancel may end their waits, and then
    /// they find themselves [passed on](Node::is_passed_on). The caller appends
    /// them to another queue before it releases the lock of this one, so that
    /// each is always in one queue or the other.
    pub(crate) fn take_waiting(&mut self, most: usize) -> (Queue, usize) {
        let (mut taken, mut count) = (Queue::new(), 0);
        while count < most
            && let Some((node, waiter, _)) = self.pop_front()
        {
            // SAFETY: as in `claim_first`.
            if !unsafe { waiter.is_waiting() } {
                continue;
            }
            // SAFETY: the node was queued a moment ago, and is the caller's as
            // long as the lock is held, under which its owner would leave.
            unsafe {
                node.as_ref().passed_on.store(true, Ordering::Relaxed);
                taken.link_back(node, waiter);
            }
            count += 1;
        }
        (taken, count)
    }

    /// Queues the waiters of another queue behind all others.
    pub(crate) fn append(&mut self, others: Queue) {
        let (Some(head), Some(first)) = (self.head, others.head) else {
            self.head = self.head.or(others.head);
            return;
        };
        // SAFETY: all nodes are queued and thus alive, and both locks are held.
        unsafe {
            let tail = edit(first, |fields| fields.tail.take());
            let last = edit(head, |fields| std::mem::replace(&mut fields.tail, tail));
            let last = last.expect("a head has a tail");
            edit(last, |fields| fields.next = Some(first));
            edit(first, |fields| fields.previous = Some(last));
        }
    }

    /// Whether nobody is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Takes a waiter out of the middle. False when it was taken out before.
    ///
    /// # Safety
    ///
    /// `node` is in this queue or in none, and is not waiting for a wake-up.
    pub(crate) unsafe fn remove(&mut self, node: &Node) -> bool {
        let this = NonNull::from(node);
        // SAFETY: the node is alive, being borrowed; the lock is held.
        let (queued, previous, next, tail) = unsafe {
            edit(this, |f| {
                (
                    f.waiter.take().is_some(),
                    f.previous.take(),
                    f.next.take(),
                    f.tail,
                )
            })
        };
        if !queued {
            return false;
        }
        let Some(previous) = previous else {
            self.promote(next, tail);
            return true;
        };
        // SAFETY: neighbours and head are queued and thus alive; the lock is held.
        unsafe {
            edit(previous, |fields| fields.next = next);
            match next {
                Some(next) => edit(next, |fields| fields.previous = Some(previous)),
                None => {
                    let head = self.head.expect("a node with a previous one has a head");
                    edit(head, |fields| fields.tail = Some(previous));
                }
            }
        }
        true
    }

    fn pop_front(&mut self) -> Option<(NonNull<Node>, Waiter, bool)> {
        let head = self.head?;
        // SAFETY: queued and thus alive; the lock is held.
        let (waiter, urgent, next, tail) = unsafe {
            edit(head, |f| {
                (f.waiter.take(), f.urgent, f.next.take(), f.tail.take())
            })
        };
        self.promote(next, tail);
        Some((head, waiter.expect("a queued node has a waiter"), urgent))
    }

    /// Makes the second node the first.
    fn promote(&mut self, second: Option<NonNull<Node>>, tail: Option<NonNull<Node>>) {
        if let Some(second) = second {
            // SAFETY: queued and thus alive; the lock is held.
            unsafe {
                edit(second, |fields| {
                    fields.previous = None;
                    fields.tail = tail;
                });
            }
        }
        self.head = second;
    }

    /// Keeps another queue of the same owner in the first node of this one, which
    /// is not empty. Nothing else is done with this queue until it has
    /// [put it down](Queue::put_down).
    pub(crate) fn carry(&mut self, other: Queue) {
        let head = self.head.expect("a queue that carries is not empty");
        // SAFETY: queued and thus alive; the lock is held.
        unsafe { edit(head, |fields| fields.carried = other.head) };
    }

    /// Gives back the queue that it was made to [carry](Queue::carry): an empty
    /// one, if none.
    pub(crate) fn put_down(&mut self) -> Queue {
        // SAFETY: queued and thus alive; the lock is held.
        let carry = |head| unsafe { edit(head, |fields| fields.carried.take()) };
        Queue {
            head: self.head.and_then(carry),
        }
    }

    /// How many wait, for tests that must know that somebody does.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: all nodes are queued and thus alive; the lock is held.
        std::iter::successors(self.head, |node| unsafe {
            edit(*node, |fields| fields.next)
        })
        .count()
    }
}

impl Fields {
    fn first_and_last(node: NonNull<Node>, waiter: Waiter) -> Fields {
        Fields {
            waiter: Some(waiter),
            tail: Some(node),
            ..Fields::default()
        }
    }
}

/// Waiters that were claimed together. They sleep until they are woken.
#[must_use = "claimed waiters sleep until they are woken"]
pub(crate) struct Claimed {
    first: Option<NonNull<Node>>,
    count: usize,
}

impl Claimed {
    /// Nobody.
    pub(crate) fn none() -> Claimed {
        Claimed {
            first: None,
            count: 0,
        }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Wakes them, in the order in which they came. Call it without any lock.
    pub(crate) fn wake_all(self) {
        let mut node = self.first;
        while let Some(claimed) = node {
            // SAFETY: claimed and not woken: alive, and its fields are ours.
            let (claim, next) = unsafe { edit(claimed, |f| (f.claim.take(), f.next.take())) };
            node = next;
            claim.expect("a claimed node has a claim").wake();
        }
    }
}
