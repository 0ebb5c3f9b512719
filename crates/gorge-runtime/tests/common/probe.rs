//! A waker that counts how it is used, and calls a function of the test then.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What a waker's vtable is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Clone,
    Wake,
    Drop,
}

/// What its wakers have been used for. Clones share it.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Inner>);

struct Inner {
    counts: [AtomicUsize; 3],
    react: Box<dyn Fn(Use) + Send + Sync>,
}

impl Probe {
    /// `react` is called with each use, and may panic.
    pub(crate) fn new(react: impl Fn(Use) + Send + Sync + 'static) -> Probe {
        Probe(Arc::new(Inner {
            counts: Default::default(),
            react: Box::new(react),
        }))
    }

    /// A waker of this probe. Making it is no use; dropping it is.
    pub(crate) fn waker(&self) -> Waker {
        let data = Arc::into_raw(self.0.clone()).cast();
        // SAFETY: the data is a reference of an `Arc<Inner>`, as the functions
        // of the vtable expect; `Inner` is `Send` and `Sync`.
        unsafe { Waker::new(data, &VTABLE) }
    }

    /// How often its wakers were used so.
    pub(crate) fn count(&self, used: Use) -> usize {
        self.0.counts[used as usize].load(Ordering::SeqCst)
    }

    /// How many wakers there are.
    pub(crate) fn kept(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Inner {
    fn used(&self, used: Use) {
        self.counts[used as usize].fetch_add(1, Ordering::SeqCst);
        (self.react)(used);
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is a waker's, which is borrowed meanwhile.
unsafe fn borrow(data: *const ()) -> ManuallyDrop<Arc<Inner>> {
    // SAFETY: the caller's contract; the reference stays the waker's.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: a waker's contract.
    let inner = unsafe { borrow(data) };
    inner.used(Use::Clone);
    RawWaker::new(Arc::into_raw(Arc::clone(&inner)).cast(), &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: a waker's contract: its reference is passed on.
    let inner: Arc<Inner> = unsafe { Arc::from_raw(data.cast()) };
    inner.used(Use::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a waker's contract.
    unsafe { borrow(data) }.used(Use::Wake);
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: a waker's contract: its reference is passed on.
    let inner: Arc<Inner> = unsafe { Arc::from_raw(data.cast()) };
    inner.used(Use::Drop);
}
