//! `Phased`: work in phases, none of which begins before all have done the one before.
//!
//! **Problem.** A grid is computed step by step, each step from the one before. Several
//! goroutines share the work of a step, and nobody may be a step ahead.
//!
//! ```text
//!   party 0 ──work──┐            ┌──work──────┐            ┌──►
//!   party 1 ──work──┼─► between ─┼──work──┐   ├─► between ─┼──►
//!   party 2 ──work──┘  (one of   └──work──┴───┘            └──►
//!                       them)
//! ```
//!
//! **Who closes what.** Each party ends when its function returns; one that leaves before the
//! others is taken as arrived from then on. All have ended when [`Phased::run`] returns.
//! **Cancelled** by the context, and by the first error or panic of a party or of the step
//! between: then those who wait for the others are unwound there, as they are at anything
//! else that they wait for.
//!
//! A phase ends with two rounds of a barrier: in the first all arrive; then its leader alone
//! does what is between and looks whether all have left; in the second they learn of it. So
//! all see the same end.

use crate::groups::{Group, GroupError};
use gorge_channel::context::Context;
use gorge_runtime::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use gorge_sync::{Barrier, Mutex};
use std::fmt;

/// Work in phases, to be [run](Phased::run) by a number of parties.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Phased;
/// use gorge_sync::Mutex;
///
/// // Each party adds its number, in each of three phases; between, the sum is doubled.
/// let sum = Mutex::new(0);
/// let ended = Phased::new(4)
///     .between(|_phase| *sum.lock() *= 2)
///     .run(&context::background(), |party| {
///         for _ in 0..3 {
///             *sum.lock() += party.index();
///             party.arrive();
///         }
///         Ok::<_, String>(())
///     });
/// assert_eq!(ended.unwrap().len(), 4);
/// assert_eq!(*sum.lock(), ((6 * 2 + 6) * 2 + 6) * 2);
/// ```
#[must_use = "nothing happens before `run`"]
pub struct Phased<'a> {
    parties: usize,
    between: Option<Between<'a>>,
}

type Between<'a> = Box<dyn FnMut(u64) + Send + 'a>;

/// One of those who work, as its function sees itself.
pub struct Party<'a> {
    index: usize,
    phase: u64,
    shared: &'a dyn EndPhase,
}

/// What parties share, without what it borrows.
trait EndPhase {
    fn end_phase(&self, phase: u64);
}

struct Shared<'a> {
    barrier: Barrier,
    parties: usize,
    /// How many have left.
    left: AtomicUsize,
    /// All had left when the phase ended.
    over: AtomicBool,
    /// Taken out while it is called.
    between: Mutex<Option<Between<'a>>>,
}

impl<'a> Phased<'a> {
    /// For so many parties.
    ///
    /// # Panics
    ///
    /// If that is none.
    pub fn new(parties: usize) -> Phased<'a> {
        assert!(parties > 0, "phases need at least one party");
        Phased {
            parties,
            between: None,
        }
    }

    /// What one of the parties does at the end of each phase, with its number, while all
    /// others wait.
    pub fn between<F>(mut self, f: F) -> Phased<'a>
    where
        F: FnMut(u64) + Send + 'a,
    {
        self.between = Some(Box::new(f));
        self
    }

    /// Runs `work` once for each party, at the same time, and returns their values by index.
    /// It may borrow.
    ///
    /// # Errors
    ///
    /// The first error in time; then the others are unwound where they wait.
    ///
    /// # Panics
    ///
    /// With the panic of a party or of what is between, when all have ended.
    ///
    /// # Cancellation
    ///
    /// When the context is done, the parties are unwound where they wait, and those that were
    /// say so in the error. A cancel of the calling goroutine cancels all.
    pub fn run<T, E, F>(self, ctx: &Context, work: F) -> Result<Vec<T>, GroupError<E>>
    where
        F: Fn(&mut Party<'_>) -> Result<T, E> + Sync,
        T: Send,
        E: fmt::Display + Send + 'static,
    {
        let shared = Shared {
            barrier: Barrier::new(self.parties),
            parties: self.parties,
            left: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            between: Mutex::new(self.between),
        };
        let (shared, work) = (&shared, &work);
        let builder = Group::builder().interrupt(true);
        builder.scope(ctx, |group| {
            for index in 0..self.parties {
                let started = group.go(move || shared.take_part(index, work));
                if started.is_err() {
                    // The context is done: the others will not wait for this one.
                    break;
                }
            }
        })
    }
}

impl Shared<'_> {
    fn take_part<T, E>(
        &self,
        index: usize,
        work: impl Fn(&mut Party<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut party = Party {
            index,
            phase: 0,
            shared: self,
        };
        let value = work(&mut party)?;
        // Relaxed, here and below: the barrier orders it.
        self.left.fetch_add(1, Ordering::Relaxed);
        while !self.over.load(Ordering::Relaxed) {
            party.arrive();
        }
        Ok(value)
    }
}

impl EndPhase for Shared<'_> {
    fn end_phase(&self, phase: u64) {
        if self.barrier.wait().is_leader() {
            let all_left = self.left.load(Ordering::Relaxed) == self.parties;
            self.over.store(all_left, Ordering::Relaxed);
            if !all_left {
                // Nobody else comes here before the second round.
                let between = self.between.lock().take();
                if let Some(mut between) = between {
                    between(phase);
                    *self.between.lock() = Some(between);
                }
            }
        }
        self.barrier.wait();
    }
}

impl Party<'_> {
    /// Which party this is, from 0 on.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The phase that this party is in, from 0 on.
    pub fn phase(&self) -> u64 {
        self.phase
    }

    /// Says that this party has done its work of the phase, and waits for the others.
    /// Returns the number of the phase that begins.
    ///
    /// # Cancellation
    ///
    /// Unwinds when the work was cancelled or another party has failed.
    pub fn arrive(&mut self) -> u64 {
        self.shared.end_phase(self.phase);
        self.phase += 1;
        self.phase
    }
}

impl fmt::Debug for Phased<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phased")
            .field("parties", &self.parties)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Party<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Party")
            .field("index", &self.index)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
