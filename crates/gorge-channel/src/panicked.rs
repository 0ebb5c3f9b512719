//! Channels whose sending side has panicked: receivers go on with the panic, where they would
//! otherwise take the end for the end of the values.
//!
//! ```text
//!   sending side                    channel                  receiving side
//!     panics, and is caught
//!     close_with_panic(payload) ──► closed, with a panic
//!                                     values ──────────────► are received as ever
//!                                     payload ─────────────► the first unwinds with it
//!                                     its text ────────────► those after it, with a message
//! ```
//!
//! The channel keeps the panic under its lock, and a flag beside the lock tells that there is
//! one. Whoever has found the channel closed and empty looks at the flag, when it holds no
//! lock and is linked nowhere, and unwinds. Nothing else looks, so it costs nothing elsewhere.

use crate::channel::Chan;
use crate::error::RecvTimeoutError;
use crate::never;
use crate::receiver::Receiver;
use crate::sender::Sender;
use gorge_runtime::cancel;
use gorge_runtime::primitive::RawLock;
use gorge_runtime::primitive::atomic::Ordering;
use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Instant;

type Payload = Box<dyn Any + Send>;

/// A panic with which several channels are closed, by
/// [`close_with_shared_panic`](Sender::close_with_shared_panic). Clones share it: the payload
/// goes to the first receiver of any of them.
///
/// # Examples
///
/// ```
/// use gorge_channel::{SharedPanic, bounded};
/// use gorge_runtime::catch_panic;
///
/// let (left, left_end) = bounded::<u8>(0);
/// let (right, right_end) = bounded::<u8>(0);
/// let panic = SharedPanic::new(Box::new("the source is on fire"));
/// left.close_with_shared_panic(&panic);
/// right.close_with_shared_panic(&panic);
///
/// let first = catch_panic(|| left_end.recv()).unwrap_err();
/// assert_eq!(first.downcast_ref(), Some(&"the source is on fire"));
/// let second = catch_panic(|| right_end.recv()).unwrap_err();
/// let message = "the sending side of a channel panicked: the source is on fire";
/// assert_eq!(second.downcast_ref::<String>().unwrap(), message);
/// ```
#[derive(Clone)]
pub struct SharedPanic {
    shared: Arc<Shared>,
}

struct Shared {
    lock: RawLock,
    /// Until a receiver takes it. Touched under the lock.
    payload: UnsafeCell<Option<Payload>>,
    text: Option<Box<str>>,
}

// SAFETY: the payload, which may be sent, is moved out under the lock and not looked at.
unsafe impl Sync for Shared {}

impl SharedPanic {
    /// Of the payload of a panic that was caught. That of a cancel is not passed on: it would
    /// end goroutines as if they had been cancelled themselves.
    pub fn new(payload: Box<dyn Any + Send>) -> SharedPanic {
        let is_cancel = cancel::is_cancel(&*payload);
        let literal = match is_cancel {
            true => Some("it was cancelled"),
            false => payload.downcast_ref::<&str>().copied(),
        };
        let text = literal.or_else(|| payload.downcast_ref().map(String::as_str));
        SharedPanic {
            shared: Arc::new(Shared {
                lock: RawLock::new(),
                text: text.map(Box::from),
                payload: UnsafeCell::new((!is_cancel).then_some(payload)),
            }),
        }
    }

    /// What it says, if its payload is a text.
    pub fn text(&self) -> Option<&str> {
        self.shared.text.as_deref()
    }

    /// What to unwind with: the payload for the first that asks for it, for those after it a
    /// `String` with a message.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        let Shared {
            lock,
            payload,
            text,
        } = &*self.shared;
        lock.lock();
        // SAFETY: the lock is held.
        let first = unsafe { (*payload.get()).take() };
        // SAFETY: it was taken above, and outlives this.
        unsafe { lock.unlock() };
        first.unwrap_or_else(|| {
            let said = text.as_deref().unwrap_or("with a payload that is no text");
            Box::new(format!("the sending side of a channel panicked: {said}"))
        })
    }
}

impl<T> Sender<T> {
    /// Closes the channel because the sending side has panicked, so that nobody takes this
    /// for the end of the values.
    ///
    /// It is as [`close`](Sender::close) is: what is in the channel can still be received.
    /// Then the panic goes on where a receive would find the channel disconnected. The first
    /// unwinds with the payload; the panic hook is not called again. Those after it
    /// unwind with a `String` that says so, and repeats the payload if that is a text.
    ///
    /// That holds of all receives: those that wait, try, or have a deadline, iterators,
    /// futures, streams, and selects where they are completed. [`Select::ready`] and its kin
    /// tell that the channel is ready, as they do of any that is closed. If nobody receives, the payload
    /// is dropped with the channel.
    ///
    /// Who unwinds already, and receives in a destructor, finds the channel disconnected.
    ///
    /// Returns whether this call closed it. If not, it drops the payload.
    ///
    /// [`Select::ready`]: crate::Select::ready
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::{catch_panic, go};
    ///
    /// let (numbers, inbox) = gorge_channel::unbounded();
    /// go(move || {
    ///     let work = || {
    ///         numbers.send(1).unwrap();
    ///         panic!("no more numbers");
    ///     };
    ///     if let Err(panic) = catch_panic(work) {
    ///         numbers.close_with_panic(panic);
    ///     }
    /// });
    /// assert_eq!(inbox.recv(), Ok(1));
    /// let panic = catch_panic(|| inbox.recv()).unwrap_err();
    /// assert_eq!(panic.downcast_ref(), Some(&"no more numbers"));
    /// ```
    pub fn close_with_panic(&self, payload: Box<dyn Any + Send>) -> bool {
        self.close_with_shared_panic(&SharedPanic::new(payload))
    }

    /// As [`close_with_panic`](Sender::close_with_panic), with a panic that other channels
    /// are closed with, too.
    pub fn close_with_shared_panic(&self, panic: &SharedPanic) -> bool {
        self.chan().close_with(Some(panic.clone()))
    }
}

/// For stages, which hand a panic on and do not unwind with it.
impl<T> Receiver<T> {
    /// As [`recv`](Receiver::recv), or [`recv_deadline`](Receiver::recv_deadline), without the
    /// panic.
    #[doc(hidden)]
    #[inline]
    pub fn __recv_quietly(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match self.chan() {
            Some(chan) => chan.receive(deadline),
            None => Err(never::wait_until(deadline)),
        }
    }

    /// From now on a panic that the channel is closed with, or was, is not told to receivers,
    /// which find it disconnected, but to who calls [`Receiver::__kept_panic`].
    #[doc(hidden)]
    pub fn __keep_panic(&self) {
        let Some(chan) = self.chan() else {
            return;
        };
        let mut locked = chan.lock();
        locked.keeps_panic = true;
        chan.head().panicked.store(false, Ordering::Relaxed);
    }

    /// The panic that the channel was closed with, also one that is not told.
    #[doc(hidden)]
    pub fn __kept_panic(&self) -> Option<SharedPanic> {
        self.chan()?.lock().panic.clone()
    }

    /// The panic that the channel was closed with.
    #[doc(hidden)]
    pub fn __panic(&self) -> Option<SharedPanic> {
        self.chan()?.panic()
    }
}

impl<T> Chan<T> {
    /// With what the sending side ended, if it panicked.
    fn panic(&self) -> Option<SharedPanic> {
        let panicked = self.has_panicked();
        panicked.then(|| self.lock().panic.clone()).flatten()
    }

    /// Unwinds if the channel, which was found closed and empty, ended with a panic. No lock
    /// is held, and the caller waits nowhere.
    #[inline]
    pub(crate) fn resume_panic(&self) {
        if self.has_panicked() {
            self.unwind();
        }
    }

    #[inline]
    fn has_panicked(&self) -> bool {
        // Relaxed: the lock, under which it was found closed, orders this.
        self.head().panicked.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn unwind(&self) {
        // A second panic would end the process, and the first may well have its cause here.
        if !cancel::is_unwinding()
            && let Some(panic) = self.panic()
        {
            cancel::resume_panic(panic.into_payload());
        }
    }
}

impl fmt::Debug for SharedPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedPanic")
            .field(&self.text().unwrap_or("Any"))
            .finish()
    }
}

// What it is for is to unwind.
impl UnwindSafe for SharedPanic {}
impl RefUnwindSafe for SharedPanic {}
