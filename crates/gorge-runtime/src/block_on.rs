//! Driving a future from blocking code.
//!
//! [`block_on`] polls and, when the future is pending, parks the caller until
//! the waker is called. Caller and wakers share a [`Signal`], one per call:
//!
//! ```text
//!   Idle ---- caller waits ----> Waiting ---- a waker claims ----> Idle
//!     \--- a waker comes while nobody waits ---> Woken --- next wait ---> Idle
//! ```
//!
//! A waker may outlive the call, the goroutine and the runtime. It keeps
//! nothing but the signal, where it finds no waiter any more: it never touches
//! the goroutine itself, let alone its unpark token.
//!
//! The lost wake-up to fear: the waker is called after the poll and before the
//! caller is parked. The caller looks for `Woken` under the lock, and publishes
//! its waiter before it releases that; a waker does its part under the lock.
//! Whichever takes the lock second sees the other.

use crate::cancel;
use crate::goroutine;
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use crate::primitive::RawLock;
use crate::scheduler::current;
use std::cell::UnsafeCell;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Runs a future to its end and returns its output; the caller waits.
///
/// On a goroutine, other goroutines run meanwhile, also between two polls of a
/// future that wakes itself at once. On an OS thread, the thread waits. Inside
/// the future, `block_on` and all other blocking functions may be called.
///
/// The future may come from any library. Where one needs the context of another
/// runtime, enter that for each poll, as the crate `async-compat` does for
/// tokio's: entered around the whole call, it would also be the context of the
/// goroutines that run on this thread meanwhile.
///
/// The future lies on the caller's stack, which is bounded: box a large one.
///
/// # Panics
///
/// A panic of the future continues here.
///
/// # Cancellation
///
/// Delivers a cancel while the future is pending. The future is dropped by the
/// unwinding, as any future is that nobody wants any more. One that is ready
/// at its first poll returns its output.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{block_on, go};
///
/// let sum = block_on(async {
///     let (left, right) = (go(|| 20), go(|| 22));
///     left.await.unwrap() + right.await.unwrap()
/// });
/// assert_eq!(sum, 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Arc::new(Signal::new());
    let waker = Waker::from(Arc::clone(&signal));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => signal.wait(),
        }
    }
}

/// What a call of [`block_on`] and its wakers share.
struct Signal {
    lock: RawLock,
    /// Touched under the lock.
    state: UnsafeCell<State>,
}

enum State {
    /// The caller polls, and no wake came since it began to.
    Idle,
    /// A wake came while nobody waited: the next wait ends at once.
    Woken,
    /// The caller is parked.
    Waiting(Waiter),
}

// SAFETY: the state is touched under the lock; a waiter is `Send`.
unsafe impl Send for Signal {}
// SAFETY: as above.
unsafe impl Sync for Signal {}

impl Signal {
    fn new() -> Signal {
        Signal {
            lock: RawLock::new(),
            state: UnsafeCell::new(State::Idle),
        }
    }

    /// Takes the lock.
    fn lock(&self) {
        self.lock.lock();
    }

    /// Changes the state and releases the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock.
    unsafe fn unlock_as(&self, state: State) {
        // SAFETY: the caller's contract.
        unsafe {
            *self.state.get() = state;
            self.lock.unlock();
        }
    }

    /// Caller: waits until a waker was called since the last wait.
    fn wait(&self) {
        self.lock();
        // SAFETY: locked above.
        if matches!(unsafe { &*self.state.get() }, State::Woken) {
            // SAFETY: as above.
            unsafe { self.unlock_as(State::Idle) };
            // Without this, a future that always wakes itself would keep the
            // processor for ever. A thread is preempted.
            if current::goroutine().is_some() {
                goroutine::yield_now();
            }
            return;
        }
        let wait = Wait {
            reason: WaitReason::BlockOn,
            object: std::ptr::from_ref(self).addr(),
            deadline: None,
            cancel: CancelMode::Deliver,
        };
        let publish = |waiter| {
            // SAFETY: under the lock.
            unsafe { *self.state.get() = State::Waiting(waiter) }
        };
        // SAFETY: a waker takes the waiter out when it claims it, and otherwise
        // it is taken out below; `commit` releases the one lock that is held.
        let parked = unsafe { park::park(wait, publish, || self.lock.unlock()) };
        match parked {
            Ok(Outcome::Woken(_) | Outcome::Closed) => return,
            Ok(Outcome::TimedOut | Outcome::Cancelled) => self.lock(),
            Err(Refused) => {}
        }
        // SAFETY: the lock is held in both cases that come here.
        unsafe { self.unlock_as(State::Idle) };
        cancel::deliver();
    }

    /// Waker: ends the current or the next wait.
    fn notify(&self) {
        self.lock();
        // SAFETY: locked above; a waiter found there has not been taken back,
        // and is claimed before the lock is released.
        let claim = unsafe {
            match mem::replace(&mut *self.state.get(), State::Idle) {
                State::Waiting(waiter) => {
                    let claim = waiter.claim(Outcome::Woken(0));
                    self.lock.unlock();
                    claim
                }
                State::Idle | State::Woken => {
                    self.unlock_as(State::Woken);
                    None
                }
            }
        };
        if let Some(claim) = claim {
            claim.wake();
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}
