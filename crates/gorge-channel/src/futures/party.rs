//! A future as a party that waits on a channel.
//!
//! Node and slot lie on the heap, in a [`Party`] that the future shares with the list in
//! which the node is linked: each holds a reference. Whoever takes the node out of the
//! list takes over the list's reference: the future, under the channel's lock, or a
//! counterpart or closer that has claimed it, up to its wake-up.
//!
//! ```text
//!   future                                 claimer
//!     links the node (channel's lock)
//!                                          unlinks and claims it (channel's lock)
//!                                          gives or takes a value
//!     polled: not woken yet, leaves a      wake (hand-over lock): marks it woken,
//!       waker (hand-over lock)               takes the waker, calls it
//!     polled: woken, takes what it got
//! ```
//!
//! # The lost wake-up to fear
//!
//! A future is polled with another waker while its claimer is about to call the old one.
//! The waker changes under the hand-over lock, and so does the mark: either the claimer
//! finds the new waker, or the poll finds the mark and does not wait.
//!
//! # The lost value to fear
//!
//! A future is dropped while it is claimed. If it is marked woken, the future itself
//! gives back what it got. If not, it leaves the mark `Abandoned`, and the claimer, which
//! comes to the same lock later, gives it back in its place. So exactly one does.
//!
//! The channel outlives both: a future borrows a handle or owns one, and a claimer calls
//! `wake` in an operation on a handle. Forgetting the future leaves a node on the heap,
//! which a close takes out of the list before the channel is freed.

use super::waker;
use crate::channel::{Chan, Locked};
use crate::place::{Place, Slot};
use crate::promise::Promise;
use crate::waiter::{Claimed, ClaimedAll, Message, Node};
use gorge_runtime::park::{Outcome, Task, WaitReason, Waiter};
use gorge_runtime::primitive::RawLock;
use std::cell::UnsafeCell;
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a party waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A value, which arrives in the slot.
    Receive,
    /// Somebody to take the value that lies in the slot.
    Send,
    /// Room, or to be told that somebody receives.
    Reserve,
}

#[repr(C)]
pub(super) struct Party<T> {
    /// First: the seam hands its address back.
    task: Task,
    role: Role,
    chan: NonNull<Chan<T>>,
    node: UnsafeCell<Node>,
    slot: Slot<T>,
    hand_over: RawLock,
    /// Touched under the lock before it.
    shared: UnsafeCell<Shared>,
}

struct Shared {
    mark: Mark,
    waker: Option<Waker>,
}

#[derive(PartialEq, Eq)]
enum Mark {
    Waiting,
    Woken,
    Abandoned,
}

/// Somebody has won the wait, and ends it.
pub(super) struct IsClaimed;

// SAFETY: a party moves values between threads as the channel does, and what is in it is
// touched by who the module's table says: under a lock, or between claim and wake.
unsafe impl<T: Send> Send for Party<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Party<T> {}

impl<T> Party<T> {
    pub(super) fn new(role: Role, chan: &Chan<T>) -> Arc<Party<T>> {
        Arc::new(Party {
            task: Task::new(wake::<T>),
            role,
            chan: NonNull::from(chan),
            node: UnsafeCell::new(Node::new(None, 0)),
            slot: Place::empty_slot(),
            hand_over: RawLock::new(),
            shared: UnsafeCell::new(Shared {
                mark: Mark::Waiting,
                waker: None,
            }),
        })
    }

    /// Begins to wait, and releases the channel's lock.
    ///
    /// # Safety
    ///
    /// The party does not wait. The lock is that of its channel, on which it may wait in
    /// its role. A sender's slot is full, a receiver's is empty.
    pub(super) unsafe fn link(this: &Arc<Party<T>>, mut locked: Locked<'_, T>, waker: Waker) {
        let sends = this.sends();
        // SAFETY: the caller's contract; the list takes over the reference. Its lock is held.
        unsafe {
            let (node, waiter) = Party::begin(this, Some(waker));
            locked.list(sends).push_back(node, waiter);
        }
        let mut told = ClaimedAll::default();
        locked.someone_waits(sends, &mut told);
        drop(locked);
        told.wake();
    }

    /// Begins to wait for this sender alone, in no list, and tells it so. It will hand over
    /// its value as one does that has claimed the party before it had it: the party claims
    /// itself for it.
    ///
    /// No waker is left, as it is anybody's code that clones one, and the sender is not to
    /// wait for that. The party is to be polled.
    ///
    /// # Safety
    ///
    /// The party receives and does not wait, and its slot is empty. The sender waits on its
    /// channel, without a place, and is no future.
    pub(super) unsafe fn meet(this: &Arc<Party<T>>, mut sender: Claimed) {
        // SAFETY: the caller's contract; the sender takes over the reference. Nobody knows
        // of the node before the sender is told.
        unsafe {
            let (node, waiter) = Party::begin(this, None);
            Node::claim_for_partner(node, waiter);
            sender.tell(Message::Partner(node));
        }
        sender.wake();
    }

    /// Begins a wait: its node, which is in no list, and its waiter. The caller passes a
    /// reference on to whoever ends the wait.
    ///
    /// # Safety
    ///
    /// As for [`link`](Party::link).
    unsafe fn begin(this: &Arc<Party<T>>, waker: Option<Waker>) -> (NonNull<Node>, Waiter) {
        let reason = match this.sends() {
            true => WaitReason::ChannelSend,
            false => WaitReason::ChannelReceive,
        };
        let party = Arc::into_raw(Arc::clone(this)).cast_mut();
        // SAFETY: nobody else reaches the shared part, the node or the slot of a party that
        // does not wait. The pointers come of the reference that is passed on.
        unsafe {
            *(*party).shared.get() = Shared {
                mark: Mark::Waiting,
                waker,
            };
            let place = NonNull::from(&(*party).slot).cast();
            let node = UnsafeCell::raw_get(&raw const (*party).node);
            *node = match this.role {
                Role::Receive | Role::Send => Node::of_future(Some(place)),
                Role::Reserve => Node::of_future(None),
            };
            let task = NonNull::new_unchecked(party).cast::<Task>();
            let waiter = Task::begin(task, reason, this.chan.addr().get());
            (NonNull::new_unchecked(node), waiter)
        }
    }

    fn sends(&self) -> bool {
        self.role != Role::Receive
    }

    /// Whether the wait has ended; if not, the waker of this poll will be called.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Made and dropped outside the lock: both may run anything.
        let mut waker = None;
        loop {
            let polled = self.shared(|shared| match (&shared.mark, &shared.waker, &waker) {
                (Mark::Woken, ..) => Some(true),
                (_, Some(there), _) if there.will_wake(cx.waker()) => Some(false),
                (_, _, None) => None,
                _ => {
                    mem::swap(&mut shared.waker, &mut waker);
                    Some(false)
                }
            });
            match polled {
                Some(true) => return Poll::Ready(()),
                Some(false) => return Poll::Pending,
                None => waker = Some(cx.waker().clone()),
            }
        }
    }

    /// Ends the wait if nobody has claimed it; its waker then, to be dropped when all else
    /// is settled, as that may run anything.
    pub(super) fn unlink(this: &Arc<Party<T>>, chan: &Chan<T>) -> Result<Option<Waker>, IsClaimed> {
        let mut locked = chan.lock();
        // Claims are made under the lock that is held, or by the future itself, so this stays
        // so.
        if !this.task.is_waiting() {
            return Err(IsClaimed);
        }
        // SAFETY: the lock is held, and the node of a party that waits is in this list.
        unsafe { locked.list(this.sends()).remove(this.node()) };
        this.task.withdraw();
        drop(locked);
        let waker = this.shared(|shared| shared.waker.take());
        // SAFETY: the list's reference came back with the node.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(this)) };
        Ok(waker)
    }

    /// The future goes while it waits: what it got goes back, now or when its claimer is
    /// done. The value that nobody took of a sender.
    pub(super) fn leave(this: &Arc<Party<T>>, chan: &Chan<T>) -> Option<T> {
        let (is_claimed, waker) = match (Party::unlink(this, chan), this.role) {
            (Ok(waker), _) => (false, waker),
            (Err(IsClaimed), Role::Receive) => (true, Party::leave_served(this, chan)),
            (Err(IsClaimed), _) => (true, this.leave_claimed()),
        };
        let has_value = !is_claimed || this.outcome() == Outcome::Closed;
        // SAFETY: a sender that no receiver has claimed has its value, and whoever closes the
        // channel does not touch it.
        let value = (this.role == Role::Send && has_value).then(|| unsafe { this.take() });
        // Last: its destructor may panic.
        drop(waker);
        value
    }

    /// The waker, to be dropped last.
    fn leave_served(this: &Arc<Party<T>>, chan: &Chan<T>) -> Option<Waker> {
        let locked = chan.lock();
        // Under the channel's lock, so that a sender that comes to it looks before or after.
        let waker = this.shared(|shared| {
            shared.mark = Mark::Abandoned;
            shared.waker.take()
        });
        drop(locked);
        chan.put_back_served(this);
        waker
    }

    /// The waker, to be dropped last.
    fn leave_claimed(&self) -> Option<Waker> {
        let (is_woken, waker) = self.shared(|shared| {
            let is_woken = shared.mark == Mark::Woken;
            if !is_woken {
                shared.mark = Mark::Abandoned;
            }
            (is_woken, shared.waker.take())
        });
        if is_woken {
            // SAFETY: the party is woken, and its future wants nothing of it.
            unsafe { self.give_back() };
        }
        waker
    }

    pub(super) fn node(&self) -> NonNull<Node> {
        NonNull::from(&self.node).cast()
    }

    /// The party of this node.
    ///
    /// # Safety
    ///
    /// The node is that of a `Party<T>`.
    unsafe fn of(node: NonNull<Node>) -> *const Party<T> {
        // SAFETY: the caller's contract.
        unsafe { node.byte_sub(mem::offset_of!(Party<T>, node)) }
            .cast()
            .as_ptr()
    }

    /// Keeps the party there until it is [let go](Party::let_go).
    ///
    /// # Safety
    ///
    /// The node is that of a `Party<T>`, which is there.
    pub(super) unsafe fn keep_alive(node: NonNull<Node>) {
        // SAFETY: the caller's contract; parties are made as this.
        unsafe { Arc::increment_strong_count(Party::<T>::of(node)) };
    }

    /// The reference that keeps the party there.
    ///
    /// # Safety
    ///
    /// There is one call for each of [`keep_alive`](Party::keep_alive).
    pub(super) unsafe fn let_go(node: NonNull<Node>) -> Arc<Party<T>> {
        // SAFETY: the caller's contract.
        unsafe { Arc::from_raw(Party::<T>::of(node)) }
    }

    /// Whether a receiver was dropped after it was claimed. The channel's lock is held.
    ///
    /// # Safety
    ///
    /// The node is that of a `Party<T>`, which is there.
    pub(super) unsafe fn is_abandoned(node: NonNull<Node>) -> bool {
        // SAFETY: the caller's contract.
        unsafe { &*Party::<T>::of(node) }.shared(|shared| shared.mark == Mark::Abandoned)
    }

    /// Puts the value of a sender that does not wait into its slot.
    ///
    /// # Safety
    ///
    /// The party does not wait, and the slot is empty.
    pub(super) unsafe fn put(&self, value: T) {
        // SAFETY: the caller's contract.
        self.slot.with_mut(|slot| unsafe {
            (*slot).write(value);
        });
    }

    /// Takes the value out of the slot.
    ///
    /// # Safety
    ///
    /// There is one, and no claimer uses the slot.
    pub(super) unsafe fn take(&self) -> T {
        // SAFETY: the caller's contract.
        self.slot
            .with_mut(|slot| unsafe { (*slot).assume_init_read() })
    }

    /// How the last wait ended.
    pub(super) fn outcome(&self) -> Outcome {
        self.task.outcome()
    }

    /// What the claimer has left for a sender.
    ///
    /// # Safety
    ///
    /// The party was woken, and does not receive: so its node is in no list.
    pub(super) unsafe fn message(&self) -> Message {
        // SAFETY: the claimer is done with the node, and nobody else knows it.
        unsafe { (*self.node.get()).message() }
    }

    /// Gives back what a party was promised.
    ///
    /// # Safety
    ///
    /// Its claimer is done, and nobody will take it.
    unsafe fn give_back(&self) {
        if self.role != Role::Reserve || self.outcome() == Outcome::Closed {
            return;
        }
        // SAFETY: the caller's contract.
        if unsafe { self.message() } == Message::Room {
            // SAFETY: a claimer calls this in an operation on the channel, the future while
            // it holds a handle.
            unsafe { self.chan.as_ref() }.break_promise(Promise::Room);
        }
    }

    fn shared<R>(&self, change: impl FnOnce(&mut Shared) -> R) -> R {
        self.hand_over.lock();
        // SAFETY: the lock is held, and `change` neither panics nor comes here again.
        let result = change(unsafe { &mut *self.shared.get() });
        // SAFETY: it was taken above, and the party is there: the caller has a reference.
        unsafe { self.hand_over.unlock() };
        result
    }
}

/// What a claimer calls.
///
/// # Safety
///
/// The task is that of a `Party<T>` whose wait the caller has claimed, in an operation on
/// its channel. It is called once.
unsafe fn wake<T>(task: NonNull<Task>) {
    // SAFETY: the task is the first field, its pointer that of the list's reference, which
    // the claimer has taken over with the node.
    let party = unsafe { Arc::from_raw(task.cast::<Party<T>>().as_ptr().cast_const()) };
    let (is_abandoned, waker) = party.shared(|shared| {
        let is_abandoned = shared.mark == Mark::Abandoned;
        shared.mark = Mark::Woken;
        (is_abandoned, shared.waker.take())
    });
    if is_abandoned {
        // SAFETY: the claimer is done, and the future has gone.
        unsafe { party.give_back() };
    }
    if let Some(waker) = waker {
        waker::call(waker);
    }
}
