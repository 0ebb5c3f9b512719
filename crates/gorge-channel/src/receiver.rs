//! The receiving end.

use crate::channel::Chan;
use crate::counter::{self, Handle, Receiving};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::never;
use gorge_runtime::{preempt, time};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// The receiving end of a channel. Clones receive from the same channel: each
/// value goes to one of them.
///
/// Blocked receivers are served in the order in which they came. When the last
/// receiver goes, the values that are still in the channel are dropped, and
/// senders get theirs back.
///
/// Receives work alike on goroutines and on OS threads; a blocked one parks
/// whichever it is on.
///
/// # Panics
///
/// If the sending side has panicked and said so, by
/// [`close_with_panic`](crate::Sender::close_with_panic), its panic goes on where a receive
/// would find the channel disconnected.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = gorge_channel::unbounded();
/// let workers = [receiver.clone(), receiver].map(|receiver| {
///     std::thread::spawn(move || receiver.iter().sum::<u32>())
/// });
/// for number in 1..=100 {
///     sender.send(number)?;
/// }
/// drop(sender);
/// let sums = workers.map(|worker| worker.join().expect("no worker panics"));
/// assert_eq!(sums[0] + sums[1], 5050);
/// # Ok::<_, gorge_channel::SendError<u32>>(())
/// ```
pub struct Receiver<T> {
    /// `None`: it never receives anything.
    handle: Option<Handle<T, Receiving>>,
}

impl<T> Receiver<T> {
    pub(crate) fn new(handle: Handle<T, Receiving>) -> Receiver<T> {
        Receiver {
            handle: Some(handle),
        }
    }

    /// A receiver that nobody sends to. Its channel disconnects when this crate
    /// [closes it](Receiver::close_as_owner), and never if it does not.
    pub(crate) fn without_sender() -> Receiver<T> {
        Receiver::new(counter::new_without_sender(Chan::new(Some(0))))
    }

    /// As [`without_sender`](Receiver::without_sender), but as good as closed at `due`.
    pub(crate) fn expiring(due: Instant) -> Receiver<T> {
        Receiver::of_nobody(Chan::expiring(due))
    }

    /// A receiver of a channel that needs no sender, and is never closed.
    pub(crate) fn of_nobody(chan: Chan<T>) -> Receiver<T> {
        Receiver::new(counter::new_without_sender(chan))
    }

    /// A receiver that never receives anything.
    pub(crate) const fn never() -> Receiver<T> {
        Receiver { handle: None }
    }

    /// The channel; none of one that [never](Receiver::never) receives anything.
    #[inline]
    pub(crate) fn chan(&self) -> Option<&Chan<T>> {
        self.handle.as_deref()
    }

    /// The channel, of one that is known to have one.
    #[inline]
    pub(crate) fn own_chan(&self) -> &Chan<T> {
        self.chan().expect("it was made with a channel")
    }

    /// Closes a channel that was made [without a sender](Receiver::without_sender).
    pub(crate) fn close_as_owner(&self) -> bool {
        self.own_chan().close()
    }

    /// Receives a value, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the channel is empty, and it is closed or all senders
    /// are gone: before the call or while it waits.
    ///
    /// # Cancellation
    ///
    /// While it waits, a cancel of the goroutine unwinds it. A receive that a
    /// sender has given a value returns it first.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::RecvError;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(0);
    /// std::thread::spawn(move || sender.send("only"));
    /// assert_eq!(receiver.recv(), Ok("only"));
    /// assert_eq!(receiver.recv(), Err(RecvError));
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        let Some(chan) = self.chan() else {
            never::wait()
        };
        chan.receive(None).map_err(|_| {
            chan.resume_panic();
            RecvError
        })
    }

    /// Receives a value if there is one at once.
    ///
    /// On a channel of capacity zero it takes the value of a sender that waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] if the channel is empty, and whether there may be
    /// values later.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::TryRecvError;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1)?;
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// # Ok::<_, gorge_channel::SendError<i32>>(())
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.chan() {
            Some(chan) => chan.try_receive(),
            None => Err(never::try_receive()),
        }
    }

    /// Receives a value, waiting no longer than `timeout`.
    ///
    /// A timeout of zero tries once; one beyond what [`Instant`] can express
    /// waits for ever.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] if the time is up, or the channel is empty and
    /// there will be no values.
    ///
    /// # Cancellation
    ///
    /// As for [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::RecvTimeoutError;
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = gorge_channel::bounded::<u8>(1);
    /// let result = receiver.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(result, Err(RecvTimeoutError::Timeout));
    /// # drop(sender);
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        if let Some(value) = self.try_before_waiting()? {
            return Ok(value);
        }
        if timeout.is_zero() {
            return Err(RecvTimeoutError::Timeout);
        }
        self.receive_until(time::now().checked_add(timeout))
    }

    /// Receives a value, waiting no longer than until `deadline`.
    ///
    /// A deadline that has passed tries once.
    ///
    /// # Errors
    ///
    /// As for [`recv_timeout`](Receiver::recv_timeout).
    ///
    /// # Cancellation
    ///
    /// As for [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// sender.send("there already")?;
    /// assert_eq!(receiver.recv_deadline(Instant::now()), Ok("there already"));
    /// # Ok::<_, gorge_channel::SendError<&str>>(())
    /// ```
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        if let Some(value) = self.try_before_waiting()? {
            return Ok(value);
        }
        if deadline <= time::now() {
            return Err(RecvTimeoutError::Timeout);
        }
        self.receive_until(Some(deadline))
    }

    /// Waits for a value, and takes those that are there, `max` at most, to the end of
    /// `values`. Returns how many; zero if there are none and there will be none, or if
    /// `max` is zero.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel before anything is received.
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// sender.send_many(1..=5).unwrap();
    /// let mut values = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut values, 3), 3);
    /// assert_eq!(values, [1, 2, 3]);
    /// ```
    pub fn recv_many(&self, values: &mut Vec<T>, max: usize) -> usize {
        if max == 0 {
            return 0;
        }
        let Some(chan) = self.chan() else {
            never::wait()
        };
        preempt::point_at("receive");
        // Where there is room for values, they may be there.
        if chan.capacity() != Some(0) {
            let count = chan.receive_many(values, max);
            if count > 0 {
                return count;
            }
        }
        let Ok(first) = self.recv() else {
            return 0;
        };
        values.push(first);
        1 + chan.receive_many(values, max - 1)
    }

    fn receive_until(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let Some(chan) = self.chan() else {
            return Err(never::wait_until(deadline));
        };
        chan.receive(deadline).inspect_err(|&error| {
            if error == RecvTimeoutError::Disconnected {
                chan.resume_panic();
            }
        })
    }

    /// A receive that finds a value does not look at the clock.
    #[inline]
    fn try_before_waiting(&self) -> Result<Option<T>, RecvTimeoutError> {
        preempt::point_at("receive");
        match self.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
        }
    }

    /// Closes the channel: nothing can be sent any more. Values in the channel
    /// can still be received; waiting senders get theirs back.
    ///
    /// Returns whether this call closed it: false if it was closed already, or
    /// all senders are gone. A channel whose sending end the library keeps to
    /// itself, such as [`Context::done`](crate::context::Context::done), is not
    /// for receivers to close: this does nothing and returns false.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::SendError;
    ///
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// sender.send(1)?;
    /// assert!(receiver.close());
    /// assert_eq!(sender.send(2), Err(SendError(2)));
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1]);
    /// # Ok::<_, SendError<i32>>(())
    /// ```
    pub fn close(&self) -> bool {
        let handle = self.handle.as_ref();
        handle.is_some_and(|handle| !handle.is_ownerless() && handle.close())
    }

    /// Whether nothing can be sent any more, because the channel was closed or
    /// all senders are gone. There may still be values in it.
    pub fn is_closed(&self) -> bool {
        preempt::point_at_without_cancel("look at a channel");
        self.chan().is_some_and(Chan::is_closed)
    }

    /// How many values are in the channel. Always zero if its capacity is.
    pub fn len(&self) -> usize {
        preempt::point_at_without_cancel("look at a channel");
        self.chan().map_or(0, Chan::len)
    }

    /// Whether no value is in the channel. Always true if its capacity is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room in the channel. Always true if its capacity is
    /// zero.
    pub fn is_full(&self) -> bool {
        preempt::point_at_without_cancel("look at a channel");
        self.chan().is_none_or(Chan::is_full)
    }

    /// How many values the channel can keep; `None` if there is no bound.
    pub fn capacity(&self) -> Option<usize> {
        self.chan().map_or(Some(0), Chan::capacity)
    }

    /// Whether both receive from the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = gorge_channel::unbounded::<()>();
    /// let (_sender, other) = gorge_channel::unbounded::<()>();
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// assert!(!receiver.same_channel(&other));
    /// ```
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        self.chan().map(Chan::address) == other.chan().map(Chan::address)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver {
            handle: self.handle.clone(),
        }
    }
}

// Operations run no user code while the channel is inconsistent.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}
