//! The cell for data that one party at a time may touch: std's, or loom's,
//! which checks that the accesses are ordered.

#[cfg(gorge_loom)]
pub use loom::cell::UnsafeCell;

/// [`std::cell::UnsafeCell`] with loom's interface: pointers live for the
/// length of a closure.
#[cfg(not(gorge_loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(gorge_loom))]
impl<T> UnsafeCell<T> {
    /// A cell with this content.
    #[inline]
    pub const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Reads through the pointer.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Reads and writes through the pointer.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
