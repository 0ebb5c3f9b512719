//! Receiving as iteration: [`Iter`] and [`IntoIter`] wait for each value and
//! end with the channel, [`TryIter`] takes what is there.

use crate::Receiver;
use std::fmt;
use std::iter::FusedIterator;

/// Waits for values until the channel is disconnected and empty, borrowing the
/// receiver. Made by [`Receiver::iter`].
#[must_use = "iterators do nothing unless they are used"]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// Takes values as long as there are any, without waiting. Made by
/// [`Receiver::try_iter`].
#[must_use = "iterators do nothing unless they are used"]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// Waits for values until the channel is disconnected and empty, owning the
/// receiver.
#[must_use = "iterators do nothing unless they are used"]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Receiver<T> {
    /// The values to come, each waited for. It ends when the channel is
    /// disconnected and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// std::thread::spawn(move || {
    ///     for number in 1..=3 {
    ///         sender.send(number).expect("the receiver is there");
    ///     }
    /// });
    /// assert_eq!(receiver.iter().sum::<i32>(), 6);
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The values that are there, without waiting for more.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// sender.send('a')?;
    /// sender.send('b')?;
    /// assert_eq!(receiver.try_iter().collect::<String>(), "ab");
    /// # Ok::<_, gorge_channel::SendError<char>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Iter { .. }")
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("TryIter { .. }")
    }
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("IntoIter { .. }")
    }
}
