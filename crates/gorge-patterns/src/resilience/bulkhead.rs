//! `Bulkhead`: so many in a compartment, so many at its door, and no more.
//!
//! **Problem.** One slow dependency fills all threads, queues and memory with calls that wait
//! for it, and takes down what has nothing to do with it.
//!
//! ```text
//!   calls ──► [ queue: at most q ] ──► [ at once: at most n ] ──►
//!                     └── full: turned away at once
//! ```
//!
//! **Who closes what.** A permit leaves the compartment when it is dropped; [`Bulkhead::close`]
//! turns away those who wait and all who come. **Cancelled** are waits, by their context, by the
//! bulkhead's own patience, or with their goroutine.

use crate::rate::slots::{NoSlots, Slots};
use gorge_channel::context::{Context, ContextError};
use gorge_runtime::{checkpoint, time};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Lets so many calls proceed at once, and a bounded number wait for it, first come, first
/// served. Clones share it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{Bulkhead, BulkheadError};
///
/// let database = Bulkhead::new(2).queue(0);
/// let ctx = context::background();
/// let first = database.enter(&ctx)?;
/// let answer = database.call(&ctx, || 42)?;
/// assert_eq!(answer, 42);
/// let second = database.enter(&ctx)?;
/// assert!(matches!(database.enter(&ctx), Err(BulkheadError::Full { .. })));
/// # drop((first, second));
/// # Ok::<(), BulkheadError>(())
/// ```
#[derive(Clone)]
pub struct Bulkhead {
    slots: Arc<Slots>,
    /// These two are the handle's own.
    queue: usize,
    patience: Option<Duration>,
}

/// Why a call was not let in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BulkheadError {
    /// As many proceed, and as many wait, as may.
    Full {
        /// So many proceed.
        max: usize,
        /// So many wait.
        queue: usize,
    },
    /// It has waited for so long in vain.
    TimedOut {
        /// The bulkhead's patience.
        after: Duration,
    },
    /// The context is done: why, and its cause.
    Cancelled(ContextError, Arc<dyn Error + Send + Sync>),
    /// The bulkhead is closed.
    Closed,
}

impl Bulkhead {
    /// One that lets `max` calls proceed at once, and any number wait.
    ///
    /// # Panics
    ///
    /// If `max` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(max: usize) -> Bulkhead {
        assert!(
            max > 0,
            "Bulkhead: zero at once lets nobody in: give one or more"
        );
        Bulkhead {
            slots: Arc::new(Slots::new(max)),
            queue: usize::MAX,
            patience: None,
        }
    }

    /// The same, which turns calls away when `max` wait already; with zero, none of its calls
    /// wait.
    ///
    /// This is a matter of the handle, and of its clones from then on: other handles of the same
    /// bulkhead keep theirs, and count in the same queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Bulkhead;
    ///
    /// let patient = Bulkhead::new(1);
    /// let hasty = patient.clone().queue(0);
    /// let inside = patient.enter(&context::background()).unwrap();
    /// assert!(hasty.enter(&context::background()).is_err(), "the place is taken for all");
    /// # drop(inside);
    /// ```
    #[must_use]
    pub fn queue(self, max: usize) -> Bulkhead {
        Bulkhead { queue: max, ..self }
    }

    /// The same, where no call waits for longer than this. Of the handle, too.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Bulkhead {
        Bulkhead {
            patience: Some(patience),
            ..self
        }
    }

    /// Waits to be let in.
    ///
    /// # Errors
    ///
    /// At once if the queue is full, the context is done, or the bulkhead is closed; while it
    /// waits, if patience or context end, or the bulkhead is closed.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn enter(&self, context: &Context) -> Result<BulkheadPermit, BulkheadError> {
        checkpoint();
        let until = self.patience.and_then(time::deadline);
        match self.slots.take(context, 1, until, self.queue) {
            Ok(()) => Ok(BulkheadPermit {
                slots: Arc::clone(&self.slots),
            }),
            Err(why) => Err(self.error(why, context)),
        }
    }

    /// Enters if nobody has to be waited for.
    ///
    /// # Errors
    ///
    /// If it is full, or closed.
    pub fn try_enter(&self) -> Result<BulkheadPermit, BulkheadError> {
        match self.slots.try_take(1) {
            Ok(()) => Ok(BulkheadPermit {
                slots: Arc::clone(&self.slots),
            }),
            Err(NoSlots::Closed) => Err(BulkheadError::Closed),
            Err(_) => Err(self.full()),
        }
    }

    /// Enters, calls `f`, and leaves.
    ///
    /// # Errors
    ///
    /// As of [`enter`](Bulkhead::enter). `f` is not called then.
    ///
    /// # Panics
    ///
    /// If `f` does. The call has left then.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine while it waits.
    pub fn call<T>(&self, context: &Context, f: impl FnOnce() -> T) -> Result<T, BulkheadError> {
        let _permit = self.enter(context)?;
        Ok(f())
    }

    fn full(&self) -> BulkheadError {
        BulkheadError::Full {
            max: self.slots.max(),
            queue: self.slots.queued(),
        }
    }

    fn error(&self, why: NoSlots, context: &Context) -> BulkheadError {
        match why {
            NoSlots::Closed => BulkheadError::Closed,
            NoSlots::TimedOut => BulkheadError::TimedOut {
                after: self.patience.unwrap_or_default(),
            },
            NoSlots::Done(reason) => {
                let cause = context.cause().unwrap_or_else(|| Arc::new(reason));
                BulkheadError::Cancelled(reason, cause)
            }
            NoSlots::QueueFull | NoSlots::Busy | NoSlots::TooMany => self.full(),
        }
    }

    /// Lets nobody in any more, and turns away those who wait. Who is in stays.
    pub fn close(&self) {
        self.slots.close();
    }

    /// How many proceed now.
    #[must_use]
    pub fn active(&self) -> usize {
        self.slots.max() - self.slots.free()
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.slots.queued()
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("max", &self.slots.max())
            .field("active", &self.active())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// A call that was let in; it leaves when this is dropped.
#[must_use = "the call has left when this is dropped"]
pub struct BulkheadPermit {
    slots: Arc<Slots>,
}

impl Drop for BulkheadPermit {
    fn drop(&mut self) {
        self.slots.release(1);
    }
}

impl fmt::Debug for BulkheadPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("BulkheadPermit { .. }")
    }
}

impl fmt::Display for BulkheadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BulkheadError::Full { max, queue } => {
                write!(f, "bulkhead: full: {max} calls proceed, and {queue} wait")
            }
            BulkheadError::TimedOut { after } => {
                write!(f, "bulkhead: not let in within {after:?}")
            }
            BulkheadError::Cancelled(_, cause) => {
                write!(f, "bulkhead: the wait was cancelled: {cause}")
            }
            BulkheadError::Closed => f.write_str("bulkhead: closed"),
        }
    }
}

impl Error for BulkheadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BulkheadError::Cancelled(_, cause) => Some(&**cause),
            _ => None,
        }
    }
}
