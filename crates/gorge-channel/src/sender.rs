//! The sending end.

use crate::channel::Chan;
use crate::counter::{self, Handle, Sending};
use crate::error::{SendError, SendTimeoutError, TrySendError};
use crate::permit::Permit;
use crate::receiver::Receiver;
use crate::select::{Select, Slot};
use gorge_runtime::{preempt, time};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Makes a channel that keeps up to `capacity` values.
///
/// With a capacity of zero it is a rendezvous: a send completes when a receiver
/// has the value, which goes from one stack to the other.
///
/// # Panics
///
/// If the buffer, which is allocated here, would be larger than
/// `isize::MAX` bytes.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = gorge_channel::bounded(1);
/// sender.send("first")?;
/// assert!(sender.try_send("second").is_err());
/// assert_eq!(receiver.recv(), Ok("first"));
/// # Ok::<_, gorge_channel::SendError<&str>>(())
/// ```
///
/// ```
/// let (sender, receiver) = gorge_channel::bounded(0);
/// std::thread::spawn(move || sender.send("from hand to hand"));
/// assert_eq!(receiver.recv(), Ok("from hand to hand"));
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    ends(Chan::new(Some(capacity)))
}

/// Makes a channel that keeps any number of values: sends never wait.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = gorge_channel::unbounded();
/// for number in 0..100 {
///     sender.send(number)?;
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 100);
/// # Ok::<_, gorge_channel::SendError<i32>>(())
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    ends(Chan::new(None))
}

fn ends<T>(chan: Chan<T>) -> (Sender<T>, Receiver<T>) {
    let (sending, receiving) = counter::new(chan);
    (Sender { handle: sending }, Receiver::new(receiving))
}

/// The sending end of a channel. Clones send on the same channel.
///
/// Values come out in the order in which the channel took them, and blocked
/// senders are served in the order in which they came. When the last sender
/// goes, receivers drain the channel and then see it disconnected.
///
/// Sends work alike on goroutines and on OS threads; a blocked one parks
/// whichever it is on.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = gorge_channel::bounded(4);
/// for name in ["a", "b", "c"] {
///     let sender = sender.clone();
///     std::thread::spawn(move || sender.send(name));
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 3);
/// ```
pub struct Sender<T> {
    handle: Handle<T, Sending>,
}

impl<T> Sender<T> {
    pub(crate) fn chan(&self) -> &Chan<T> {
        &self.handle
    }

    /// Sends a value, waiting while the channel is full, or on a channel of
    /// capacity zero until it is received.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value if the channel is closed, or all receivers
    /// are gone: before the call or while it waits.
    ///
    /// # Cancellation
    ///
    /// While it waits, a cancel of the goroutine unwinds it and drops the
    /// value. A send that a receiver has taken returns normally first.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::SendError;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// assert_eq!(sender.send(1), Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2), Err(SendError(2)));
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.handle
            .send(value, None)
            .map_err(|error| SendError(error.into_inner()))
    }

    /// Sends a value if that can be done at once.
    ///
    /// On a channel of capacity zero it takes a receiver that waits.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the value if the channel is full, closed, or all
    /// receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::TrySendError;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.handle.try_send(value)
    }

    /// Sends a value, waiting no longer than `timeout`.
    ///
    /// A timeout of zero tries once; one beyond what [`Instant`] can express
    /// waits for ever.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] with the value if the time is up, the channel is
    /// closed, or all receivers are gone.
    ///
    /// # Cancellation
    ///
    /// As for [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::SendTimeoutError;
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(0);
    /// let error = sender.send_timeout("letter", Duration::from_millis(1));
    /// assert_eq!(error, Err(SendTimeoutError::Timeout("letter")));
    /// # drop(receiver);
    /// ```
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        let value = match self.try_before_waiting(value)? {
            None => return Ok(()),
            Some(value) => value,
        };
        if timeout.is_zero() {
            return Err(SendTimeoutError::Timeout(value));
        }
        self.handle.send(value, time::now().checked_add(timeout))
    }

    /// Sends a value, waiting no longer than until `deadline`.
    ///
    /// A deadline that has passed tries once.
    ///
    /// # Errors
    ///
    /// As for [`send_timeout`](Sender::send_timeout).
    ///
    /// # Cancellation
    ///
    /// As for [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// sender.send_deadline(1, Instant::now())?;
    /// assert_eq!(receiver.recv(), Ok(1));
    /// # Ok::<_, gorge_channel::SendTimeoutError<i32>>(())
    /// ```
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        let value = match self.try_before_waiting(value)? {
            None => return Ok(()),
            Some(value) => value,
        };
        if deadline <= time::now() {
            return Err(SendTimeoutError::Timeout(value));
        }
        self.handle.send(value, Some(deadline))
    }

    /// Sends all values of an iterator, each as [`send`](Sender::send) does. Returns how
    /// many there were.
    ///
    /// # Errors
    ///
    /// If nobody will receive any more, with the value that was not sent, and what the
    /// iterator has left.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel before a value is sent.
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// assert_eq!(sender.send_many(1..=3), Ok(3));
    /// drop(receiver);
    /// let (unsent, mut rest) = sender.send_many(4..=5).unwrap_err().into_inner();
    /// assert_eq!((unsent, rest.next()), (4, Some(5)));
    /// ```
    pub fn send_many<I>(&self, values: I) -> Result<usize, SendError<(T, I::IntoIter)>>
    where
        I: IntoIterator<Item = T>,
    {
        let mut values = values.into_iter();
        let mut count = 0;
        while let Some(value) = values.next() {
            if let Err(SendError(value)) = self.send(value) {
                return Err(SendError((value, values)));
            }
            count += 1;
        }
        Ok(count)
    }

    /// Waits until a value can be sent, and keeps the room for it. On a channel of
    /// capacity zero that is a receiver, which then waits for the value.
    ///
    /// # Errors
    ///
    /// If nobody will receive any more.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel while it waits; no room is kept then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// let permit = sender.reserve().unwrap();
    /// assert!(sender.try_send("somebody else's").is_err());
    /// permit.send("mine").unwrap();
    /// assert_eq!(receiver.recv(), Ok("mine"));
    /// ```
    pub fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        let mut select = Select::new();
        select.send(self);
        let mut slot = Slot::__new();
        let permit = select.__select(&mut slot).send(self);
        // Room without bound is promised without a look at the channel.
        let is_closed = self.handle.is_unbounded() && self.handle.is_closed();
        let permit = permit.unless_closed().filter(|_| !is_closed);
        permit.ok_or(SendError(()))
    }

    /// A send that finds room does not look at the clock. Returns the value if
    /// it has to wait.
    #[inline]
    fn try_before_waiting(&self, value: T) -> Result<Option<T>, SendTimeoutError<T>> {
        preempt::point_at("send");
        match self.handle.try_send(value) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(value)) => Ok(Some(value)),
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
        }
    }

    /// Closes the channel: nothing can be sent any more. Values in the channel
    /// can still be received, then receivers see it disconnected; waiting
    /// senders get their values back.
    ///
    /// Returns whether this call closed it: false if it was closed already, or
    /// all receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::{RecvError, SendError};
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// sender.send("last")?;
    /// assert!(sender.close());
    /// assert!(!sender.close());
    ///
    /// assert_eq!(sender.send("late"), Err(SendError("late")));
    /// assert_eq!(receiver.recv(), Ok("last"));
    /// assert_eq!(receiver.recv(), Err(RecvError));
    /// # Ok::<_, SendError<&str>>(())
    /// ```
    pub fn close(&self) -> bool {
        self.handle.close()
    }

    /// Whether nothing can be sent any more, because the channel was closed or
    /// all receivers are gone.
    pub fn is_closed(&self) -> bool {
        preempt::point_at_without_cancel("look at a channel");
        self.handle.is_closed()
    }

    /// How many values are in the channel. Always zero if its capacity is.
    pub fn len(&self) -> usize {
        preempt::point_at_without_cancel("look at a channel");
        self.handle.len()
    }

    /// Whether no value is in the channel. Always true if its capacity is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room in the channel. Always true if its capacity is
    /// zero.
    pub fn is_full(&self) -> bool {
        preempt::point_at_without_cancel("look at a channel");
        self.handle.is_full()
    }

    /// How many values the channel can keep; `None` if there is no bound.
    pub fn capacity(&self) -> Option<usize> {
        self.handle.capacity()
    }

    /// Whether both send on the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = gorge_channel::unbounded::<()>();
    /// let (other, _receiver) = gorge_channel::unbounded::<()>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// assert!(!sender.same_channel(&other));
    /// ```
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        self.handle.address() == other.handle.address()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender {
            handle: self.handle.clone(),
        }
    }
}

// Operations run no user code while the channel is inconsistent.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}
