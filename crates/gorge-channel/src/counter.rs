//! Who still holds a channel: one count per end, and the one allocation that
//! both ends share.
//!
//! | when | what happens |
//! | --- | --- |
//! | the last handle of an end goes | that end [disconnects](End::disconnect) |
//! | the second end has disconnected | the allocation is freed |
//!
//! A clone and all drops but the last cost one atomic operation.

use crate::channel::Chan;
use gorge_runtime::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::marker::PhantomData;
use std::ops::Deref;
use std::process;
use std::ptr::NonNull;

/// A channel and its counts, which lie on a cache line of their own.
#[repr(C)]
struct Shared<T> {
    chan: Chan<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// One end has disconnected: the other one frees.
    one_end_gone: AtomicBool,
    /// There never were senders: see [`new_without_sender`].
    ownerless: bool,
}

/// Which end of a channel a handle belongs to.
pub(crate) trait End: Sized {
    /// How many handles the end has.
    #[doc(hidden)]
    fn count<T>(handle: &Handle<T, Self>) -> &AtomicUsize;
    /// What the end does to the channel when its last handle goes.
    fn disconnect<T>(chan: &Chan<T>);
}

/// The end that sends.
pub(crate) struct Sending;
/// The end that receives.
pub(crate) struct Receiving;

impl End for Sending {
    #[inline]
    fn count<T>(handle: &Handle<T, Self>) -> &AtomicUsize {
        &handle.shared().senders
    }
    fn disconnect<T>(chan: &Chan<T>) {
        chan.close();
    }
}

impl End for Receiving {
    #[inline]
    fn count<T>(handle: &Handle<T, Self>) -> &AtomicUsize {
        &handle.shared().receivers
    }
    fn disconnect<T>(chan: &Chan<T>) {
        chan.discard();
    }
}

/// A counted reference to a channel from one of its ends.
///
/// It must not be covariant, or a value could outlive what it borrows:
///
/// ```compile_fail
/// fn shorten<'a>(sender: gorge_channel::Sender<&'static str>) -> gorge_channel::Sender<&'a str> {
///     sender
/// }
/// ```
pub(crate) struct Handle<T, E: End> {
    shared: NonNull<Shared<T>>,
    end: PhantomData<E>,
    /// Invariant in `T`: it is sent through one handle and received from
    /// another.
    value: PhantomData<fn(T) -> T>,
}

// SAFETY: a handle moves values between threads, and shares nothing but a
// channel, whose lock guards what is in it.
unsafe impl<T: Send, E: End> Send for Handle<T, E> {}
// SAFETY: as above.
unsafe impl<T: Send, E: End> Sync for Handle<T, E> {}

/// The two ends of a new channel.
pub(crate) fn new<T>(chan: Chan<T>) -> (Handle<T, Sending>, Handle<T, Receiving>) {
    let shared = allocate(chan, 1);
    (Handle::to(shared), Handle::to(shared))
}

/// The receiving end of a channel that nobody can send on, and that therefore
/// does not disconnect either.
pub(crate) fn new_without_sender<T>(chan: Chan<T>) -> Handle<T, Receiving> {
    Handle::to(allocate(chan, 0))
}

fn allocate<T>(chan: Chan<T>, senders: usize) -> NonNull<Shared<T>> {
    NonNull::from(Box::leak(Box::new(Shared {
        chan,
        senders: AtomicUsize::new(senders),
        receivers: AtomicUsize::new(1),
        one_end_gone: AtomicBool::new(senders == 0),
        ownerless: senders == 0,
    })))
}

impl<T, E: End> Handle<T, E> {
    fn to(shared: NonNull<Shared<T>>) -> Handle<T, E> {
        Handle {
            shared,
            end: PhantomData,
            value: PhantomData,
        }
    }

    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: the allocation lives until both ends have disconnected, and
        // this one has not: it counts this handle.
        unsafe { self.shared.as_ref() }
    }

    /// Whether the channel was made [without a sender](new_without_sender).
    pub(crate) fn is_ownerless(&self) -> bool {
        self.shared().ownerless
    }
}

impl<T, E: End> Deref for Handle<T, E> {
    type Target = Chan<T>;

    #[inline]
    fn deref(&self) -> &Chan<T> {
        &self.shared().chan
    }
}

impl<T, E: End> Clone for Handle<T, E> {
    fn clone(&self) -> Self {
        // Relaxed: the handle that is cloned keeps the channel there.
        let count = E::count(self).fetch_add(1, Ordering::Relaxed);
        if count > isize::MAX as usize {
            // So many handles were leaked; one more and the count would wrap.
            process::abort();
        }
        Handle::to(self.shared)
    }
}

impl<T, E: End> Drop for Handle<T, E> {
    #[inline]
    fn drop(&mut self) {
        // Release: what was done through this handle comes before the end
        // disconnects. Acquire: the last one to go pairs with all of these.
        if E::count(self).fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drop_last();
        }
    }
}

impl<T, E: End> Handle<T, E> {
    #[cold]
    fn drop_last(&mut self) {
        /// Frees the channel if the other end has gone too, also when a value's
        /// destructor panics on the way.
        struct Free<T>(NonNull<Shared<T>>);

        impl<T> Drop for Free<T> {
            fn drop(&mut self) {
                // SAFETY: this end has not passed the swap, so neither frees.
                let one_end_gone = unsafe { &self.0.as_ref().one_end_gone };
                // AcqRel: the second end sees all that the first one did.
                if one_end_gone.swap(true, Ordering::AcqRel) {
                    // SAFETY: it came from a box, and both ends have gone.
                    drop(unsafe { Box::from_raw(self.0.as_ptr()) });
                }
            }
        }

        let free = Free(self.shared);
        E::disconnect(&self.shared().chan);
        drop(free);
    }
}
