//! `CircuitBreaker`: no calls for a while to what fails all the time.
//!
//! **Problem.** Calls to a dependency that is down cost time, and keep it down. So after enough
//! failures the circuit opens: calls fail at once. After a while a few may try, and if those
//! succeed it is closed again.
//!
//! ```text
//!   call ──► [ closed ] ──► f          [ open ] ──► rejected        [ half open ] ──► f, a few
//! ```
//!
//! * [`machine`]: the states; `window`: what calls came to; `settings`: the rules.
//!
//! **Who closes what.** There is nothing to close but the circuit. No goroutine runs for it: time
//! is looked at by those who call. **Cancelled** are calls, as ever: one that is unwound by its
//! goroutine's cancel says nothing about the dependency, and counts neither way.

mod error;
mod machine;
mod settings;
mod window;

pub use error::{BreakerError, Rejected};
pub use settings::CircuitBreakerBuilder;
pub use window::{CallCounts, Window};

use gorge_channel::{Receiver, Sender, TrySendError, bounded};
use gorge_runtime::primitive::clock;
use gorge_runtime::{cancel, catch_panic, preempt};
use gorge_sync::Mutex;
use machine::{Change, Machine, Verdict};
use settings::Settings;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use window::Outcome;

/// Where a circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls are made.
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls are made, to try.
    HalfOpen,
}

/// A state that is held whatever calls come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forced {
    /// All calls are rejected.
    Open,
    /// All calls are made.
    Closed,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerEvent {
    /// The breaker's name.
    pub name: String,
    /// The state before.
    pub from: BreakerState,
    /// The state from then on.
    pub to: BreakerState,
    /// When.
    pub at: Instant,
}

/// Makes calls as long as they mostly succeed. Clones share the circuit.
///
/// # Examples
///
/// ```
/// use gorge_patterns::{BreakerState, CircuitBreaker};
/// use std::time::Duration;
///
/// let breaker = CircuitBreaker::builder()
///     .consecutive_failures(3)
///     .open_for(Duration::from_millis(5))
///     .build();
/// for _ in 0..3 {
///     let failed = breaker.call(|| Err::<(), _>("no route"));
///     assert!(!failed.unwrap_err().is_rejected());
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// assert!(breaker.call(|| Ok::<_, &str>(1)).unwrap_err().is_rejected());
///
/// gorge_runtime::time::sleep(Duration::from_millis(5));
/// assert_eq!(breaker.call(|| Ok::<_, &str>(1)), Ok(1));
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    machine: Mutex<Machine>,
    listeners: Mutex<Vec<Sender<BreakerEvent>>>,
}

impl CircuitBreaker {
    /// One that opens for a minute when six calls in a row have failed.
    #[must_use]
    pub fn new() -> CircuitBreaker {
        CircuitBreaker::builder().build()
    }

    /// One that opens for so long when so many calls in a row have failed. For other rules there
    /// is the [builder](CircuitBreaker::builder).
    ///
    /// # Panics
    ///
    /// If `failures` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::{BreakerState, CircuitBreaker};
    /// use std::time::Duration;
    ///
    /// let breaker = CircuitBreaker::with_threshold(2, Duration::from_secs(30));
    /// for _ in 0..2 {
    ///     let _ = breaker.execute(|| Err::<(), _>("no route"));
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Open);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_threshold(failures: usize, open_for: Duration) -> CircuitBreaker {
        assert!(
            failures > 0,
            "CircuitBreaker: a threshold of zero: it opens after one failure or more"
        );
        let rules = CircuitBreaker::builder().consecutive_failures(failures);
        rules.open_for(open_for).build()
    }

    /// To say when it opens, and for how long.
    pub fn builder() -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::new()
    }

    fn with(settings: Settings) -> CircuitBreaker {
        let machine = Mutex::new(Machine::new(&settings, clock::nanos()));
        let listeners = Mutex::new(Vec::new());
        CircuitBreaker {
            shared: Arc::new(Shared {
                settings,
                machine,
                listeners,
            }),
        }
    }

    /// Calls `f`, if the circuit lets it, and counts how it ends.
    ///
    /// # Errors
    ///
    /// What `f` fails with; or that it was not called.
    ///
    /// # Panics
    ///
    /// If `f` does. That counts as a failure.
    pub fn call<T, E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, BreakerError<E>> {
        self.call_if(f, |_| true)
    }

    /// [`call`](CircuitBreaker::call), by the name that gobreaker gives it.
    ///
    /// # Errors
    ///
    /// As of that.
    ///
    /// # Panics
    ///
    /// As of that.
    pub fn execute<T, E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, BreakerError<E>> {
        self.call(f)
    }

    /// As [`call`](CircuitBreaker::call), where only errors of which `is_failure` is true count
    /// as failures, and others as successes: what the caller did wrong is no fault of the callee.
    ///
    /// # Errors
    ///
    /// As of that.
    ///
    /// # Panics
    ///
    /// As of that.
    pub fn call_if<T, E>(
        &self,
        f: impl FnOnce() -> Result<T, E>,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, BreakerError<E>> {
        let call = self.begin().map_err(BreakerError::Rejected)?;
        let result = match catch_panic(AssertUnwindSafe(f)) {
            Ok(result) => result,
            Err(payload) => {
                call.failure();
                cancel::resume_panic(payload);
            }
        };
        match &result {
            Err(error) if is_failure(error) => call.failure(),
            _ => call.success(),
        }
        result.map_err(BreakerError::Failed)
    }

    /// Asks to make a call, whose end is told later: for calls that are no single function.
    ///
    /// # Errors
    ///
    /// If the circuit is open, or half open and enough calls try.
    pub fn begin(&self) -> Result<TrackedCall, Rejected> {
        preempt::point_at_without_cancel("ask a circuit breaker");
        let now = clock::nanos();
        let (admitted, change) = {
            let mut machine = self.shared.machine.lock();
            let change = machine.advance(&self.shared.settings, now);
            (machine.admit(&self.shared.settings, now), change)
        };
        self.tell(change);
        let generation = admitted?;
        Ok(TrackedCall {
            breaker: self.clone(),
            generation,
            began: now,
            is_told: false,
        })
    }

    /// Where the circuit stands now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        let (state, change) = {
            let mut machine = self.shared.machine.lock();
            let change = machine.advance(&self.shared.settings, clock::nanos());
            (machine.state(), change)
        };
        self.tell(change);
        state
    }

    /// What the calls came to that count now.
    #[must_use]
    pub fn counts(&self) -> CallCounts {
        let (counts, change) = {
            let mut machine = self.shared.machine.lock();
            let change = machine.advance(&self.shared.settings, clock::nanos());
            (machine.counts(), change)
        };
        self.tell(change);
        counts
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// Holds the circuit open or closed, whatever calls come to, until
    /// [`reset`](CircuitBreaker::reset).
    pub fn force(&self, forced: Forced) {
        self.set_forced(Some(forced));
    }

    /// Closes the circuit, forgets all calls, and goes by the rules from now on.
    pub fn reset(&self) {
        self.set_forced(None);
    }

    fn set_forced(&self, forced: Option<Forced>) {
        let now = clock::nanos();
        let change = self
            .shared
            .machine
            .lock()
            .force(&self.shared.settings, now, forced);
        self.tell(change);
    }

    /// The changes of state from now on. Up to 64 that nobody has received are kept; later ones
    /// are dropped.
    #[must_use]
    pub fn events(&self) -> Receiver<BreakerEvent> {
        let (sender, events) = bounded(64);
        self.shared.listeners.lock().push(sender);
        events
    }

    fn report(&self, generation: u64, outcome: Option<Outcome>) {
        let now = clock::nanos();
        let Shared {
            settings, machine, ..
        } = &*self.shared;
        let verdict = machine.lock().report(settings, now, generation, outcome);
        let change = match verdict {
            Verdict::Stays => None,
            Verdict::Changes(change) => Some(change),
            // Without the lock, since it is the user's.
            Verdict::Ask(counts) => match &settings.rule {
                Some(rule) if rule(&counts) => machine.lock().trip(settings, now, generation),
                _ => None,
            },
        };
        self.tell(change);
    }

    fn tell(&self, change: Option<Change>) {
        let Some((from, to)) = change else {
            return;
        };
        let settings = &self.shared.settings;
        let at = gorge_runtime::time::now();
        let event = BreakerEvent {
            name: settings.name.clone(),
            from,
            to,
            at,
        };
        self.shared.listeners.lock().retain(|listener| {
            !matches!(
                listener.try_send(event.clone()),
                Err(TrySendError::Disconnected(_))
            )
        });
        if let Some(on_change) = &settings.on_change {
            on_change(&event);
        }
    }
}

impl Default for CircuitBreaker {
    fn default() -> CircuitBreaker {
        CircuitBreaker::new()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.shared.machine.lock();
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.settings.name)
            .field("state", &machine.state())
            .field("counts", &machine.counts())
            .finish()
    }
}

/// A call that a [`CircuitBreaker`] let in. Say how it ended.
///
/// One that is dropped without, even by a panic, counts neither as success nor as failure, and
/// lets somebody else try in its place: only its owner knows whose fault that was.
///
/// # Examples
///
/// ```
/// use gorge_patterns::CircuitBreaker;
///
/// let breaker = CircuitBreaker::new();
/// let call = breaker.begin()?;
/// // ... later, maybe elsewhere ...
/// call.success();
/// assert_eq!(breaker.counts().calls, 1);
/// # Ok::<(), gorge_patterns::Rejected>(())
/// ```
#[must_use = "say how the call ended"]
pub struct TrackedCall {
    breaker: CircuitBreaker,
    generation: u64,
    /// Nanoseconds.
    began: u64,
    is_told: bool,
}

impl TrackedCall {
    /// It succeeded.
    pub fn success(self) {
        self.end(false);
    }

    /// It failed.
    pub fn failure(self) {
        self.end(true);
    }

    fn end(mut self, is_failure: bool) {
        self.is_told = true;
        let took = clock::nanos().saturating_sub(self.began);
        let is_slow = self.breaker.shared.settings.is_slow(took);
        self.breaker.report(
            self.generation,
            Some(Outcome {
                is_failure,
                is_slow,
            }),
        );
    }
}

impl Drop for TrackedCall {
    fn drop(&mut self) {
        if !self.is_told {
            self.breaker.report(self.generation, None);
        }
    }
}

impl fmt::Debug for TrackedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("TrackedCall { .. }")
    }
}
