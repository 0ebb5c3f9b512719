//! Permits that are given back when they are dropped: borrowed ones, and ones
//! that keep their semaphore alive.

use super::Semaphore;
use std::fmt;
use std::mem;
use std::sync::Arc;

/// Permits of a [`Semaphore`], which are given back when this is dropped.
///
/// It may be sent elsewhere, and be given back there. An
/// [`OwnedSemaphorePermit`] may outlive the frame that the semaphore is in.
#[must_use = "permits that are dropped are given back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// As [`SemaphorePermit`], but keeps its semaphore alive, and borrows nothing.
#[must_use = "permits that are dropped are given back at once"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl OwnedSemaphorePermit {
    /// Whose permits these are.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

macro_rules! permit {
    ($Permit:ident $(<$life:lifetime>)?, $Owner:ty) => {
        impl $(<$life>)? $Permit $(<$life>)? {
            #[inline]
            pub(super) fn new(semaphore: $Owner, permits: usize) -> Self {
                $Permit { semaphore, permits }
            }

            /// How many permits these are.
            pub fn num_permits(&self) -> usize {
                self.permits
            }

            /// Never gives them back: there are fewer permits for good, until
            /// [`add_permits`](Semaphore::add_permits) adds some.
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Makes one of two.
            ///
            /// # Panics
            ///
            /// If they are not of the same semaphore.
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                let (this, that): (&Semaphore, &Semaphore) = (&self.semaphore, &other.semaphore);
                assert!(
                    std::ptr::eq(this, that),
                    "Semaphore: only permits of the same semaphore can be merged"
                );
                let sum = self.permits.checked_add(other.permits);
                self.permits = sum.expect("Semaphore: too many permits to be merged");
                other.permits = 0;
            }

            /// Splits `n` permits off; `None`, and nothing changes, if these are
            /// fewer.
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.permits = self.permits.checked_sub(n)?;
                Some($Permit {
                    semaphore: self.semaphore.clone(),
                    permits: n,
                })
            }
        }

        impl $(<$life>)? Drop for $Permit $(<$life>)? {
            #[inline]
            fn drop(&mut self) {
                let permits = mem::take(&mut self.permits);
                if permits != 0 {
                    self.semaphore.core.release(permits);
                }
            }
        }

        impl $(<$life>)? fmt::Debug for $Permit $(<$life>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Permit))
                    .field("semaphore", &self.semaphore)
                    .field("permits", &self.permits)
                    .finish()
            }
        }
    };
}

permit!(SemaphorePermit<'a>, &'a Semaphore);
permit!(OwnedSemaphorePermit, Arc<Semaphore>);
