//! The queue of values that futures were handed and did not return before they were
//! dropped.
//!
//! There is no bound on how many futures are dropped, so each value lies in a box, which
//! is made before the channel's lock is taken.

use std::mem::{self, ManuallyDrop};

/// In the order in which they came back.
pub(crate) struct Returned<T> {
    /// The first ones, in order.
    first: Option<Box<Value<T>>>,
    /// Those that came after them, the last one first.
    last: Option<Box<Value<T>>>,
    len: usize,
}

/// Room for one.
pub(crate) struct Value<T> {
    value: Option<T>,
    next: Option<Box<Value<T>>>,
}

impl<T> Default for Returned<T> {
    fn default() -> Self {
        Returned {
            first: None,
            last: None,
            len: 0,
        }
    }
}

impl<T> Returned<T> {
    /// Room for a value to be [appended](Returned::append).
    pub(crate) fn room() -> Box<Value<T>> {
        Box::new(Value {
            value: None,
            next: None,
        })
    }

    pub(crate) fn append(&mut self, mut room: Box<Value<T>>, value: T) {
        room.value = Some(value);
        room.next = self.last.take();
        self.last = Some(room);
        self.len += 1;
    }

    /// The first one, of at least one, and its room, to be freed after the unlock.
    pub(crate) fn take_first(&mut self) -> (T, Box<Value<T>>) {
        if self.first.is_none() {
            while let Some(mut value) = self.last.take() {
                self.last = value.next.take();
                value.next = self.first.take();
                self.first = Some(value);
            }
        }
        let mut first = self.first.take().expect("there is a value");
        self.first = first.next.take();
        self.len -= 1;
        let value = first.value.take().expect("it was appended with one");
        (value, first)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Returned<T> {
    /// One by one: a long chain must not use up the stack, also if a destructor panics.
    /// Then the rest leaks.
    fn drop(&mut self) {
        let mut rest = ManuallyDrop::new(Returned {
            first: self.first.take(),
            last: self.last.take(),
            len: mem::take(&mut self.len),
        });
        while rest.len > 0 {
            drop(rest.take_first());
        }
    }
}
