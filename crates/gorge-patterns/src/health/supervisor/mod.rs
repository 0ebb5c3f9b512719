//! `Supervisor`: keeps a group of goroutines running, by the rules of Erlang's OTP.
//!
//! **Problem.** Code for what can go wrong is never complete. So what goes wrong ends its
//! goroutine, and somebody else, whose only task that is, starts it anew from a state that is
//! known to be good; the others that depend on it, too; and gives up when that does not
//! help, so that whoever is responsible for more begins anew.
//!
//! ```text
//!   ctx ──► [ supervisor ] ── starts, in order ──► [ a ] [ b ] [ c ]
//!                ▲   ▲                               │     │     │
//!   handles ─────┘   └── ready, ends, pulses ────────┴─────┴─────┘
//! ```
//!
//! **Who closes what.** A supervisor is one goroutine, which owns the contexts and the join
//! handles of its children. It ends only when they have, the last one first. **Cancelled** by
//! its context, or by dropping the [`Supervisor`]: both begin the same orderly end. A
//! supervisor whose own goroutine is unwound cancels all children at once.
//!
//! * [`Builder`]: strategy, intensity, back-off; [`Child`]: what a child is to be like;
//! * [`Life`]: what the function of a child is given;
//! * [`Handle`]: children at run time; [`Event`]: what happens; [`Exit`]: how a child ended.
//!
//! The rules are those of OTP's supervisor, <https://www.erlang.org/doc/system/sup_princ>,
//! with these differences: goroutines cannot be killed while they compute, so a child may be
//! [abandoned](EventKind::Abandoned); there is a back-off and there are pulses; and one that
//! gives up ends with an error, which is abnormal, where OTP says `shutdown`.

mod builder;
mod child;
mod commands;
mod error;
mod event;
mod exit;
mod handle;
mod life;
mod lives;
mod manager;
mod restart;

pub use builder::{AutoShutdown, Builder, Strategy};
pub use child::{Child, Restart, Shutdown};
pub use error::{ChildError, SupervisorError};
pub use event::{Event, EventKind};
pub use exit::{BoxError, ChildResult, Exit, PanicReport};
pub use handle::{ChildInfo, ChildState, Handle};
pub use life::Life;

use gorge_channel::bounded;
use gorge_channel::context::{CancelGuard, Context};
use gorge_runtime::{JoinHandle, cancel, goroutine};
use manager::Seat;
use std::fmt;
use std::ops::Deref;

/// A supervisor that runs. It is its [`Handle`], too.
///
/// Dropping it asks it to stop, and does not wait for that.
///
/// # Examples
///
/// ```
/// use gorge_channel::{context, unbounded};
/// use gorge_patterns::Supervisor;
/// use gorge_patterns::supervisor::{Child, Restart};
///
/// let (requests, inbox) = unbounded::<i32>();
/// let (outbox, answers) = unbounded();
/// let divider = Child::new("divider", move |life| {
///     while let Ok(number) = inbox.recv() {
///         outbox.send((life.restarts(), 60 / number)).unwrap();
///     }
/// })
/// .restart(Restart::Transient);
/// let supervisor = Supervisor::builder()
///     .child(divider)
///     .start(&context::background())
///     .unwrap();
///
/// for number in [2, 0, 3] {
///     requests.send(number).unwrap();
/// }
/// // The zero was lost with the one that panicked. The next one goes on.
/// assert!(answers.iter().take(2).eq([(0, 30), (1, 20)]));
/// drop(requests);
/// supervisor.shutdown().unwrap();
/// ```
pub struct Supervisor {
    handle: Handle,
    guard: CancelGuard,
    goroutine: JoinHandle<Result<(), SupervisorError>>,
}

impl Supervisor {
    /// One for one, one restart in five seconds, no children.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Speaks to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Asks it to stop, and does not wait for that.
    pub fn stop(&self) {
        self.guard.cancel_with("the supervisor was asked to stop");
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.goroutine.is_finished()
    }

    /// Stops all children, the last one first, and waits until they and the supervisor have
    /// ended.
    ///
    /// # Errors
    ///
    /// If it has ended by itself before, because it gave up.
    ///
    /// # Panics
    ///
    /// If the function for the [back-off](Builder::backoff) panicked, its panic continues here.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine; the supervisor goes on stopping.
    pub fn shutdown(self) -> Result<(), SupervisorError> {
        self.stop();
        self.wait()
    }

    /// Waits until it ends: because its context is done, or a significant child has ended, or
    /// it gives up.
    ///
    /// # Errors
    ///
    /// Why it gave up.
    ///
    /// # Panics
    ///
    /// As [`shutdown`](Supervisor::shutdown).
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine; the supervisor is then asked to stop.
    pub fn wait(self) -> Result<(), SupervisorError> {
        // In a cancel, the guard is dropped.
        let _guard = self.guard;
        match self.goroutine.join() {
            Ok(result) => result,
            Err(error) if error.is_panic() => cancel::resume_panic(error.into_panic()),
            Err(error) => Err(SupervisorError::Goroutine(error)),
        }
    }
}

impl Deref for Supervisor {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Starts the supervisor, and waits until all its children have been started, in order.
    ///
    /// It stops when the context is done.
    ///
    /// # Errors
    ///
    /// If a child cannot be started, or ends before it is ready, or if the context is done
    /// before all are: then those before it have been stopped.
    ///
    /// # Panics
    ///
    /// If two children have the same name, if a simple supervisor has not exactly one, or if a
    /// significant child could never end the supervisor.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine; the supervisor is then asked to stop.
    #[track_caller]
    pub fn start(self, ctx: &Context) -> Result<Supervisor, SupervisorError> {
        self.expect_sound();
        let seat = Seat::of(&self);
        let handle = seat.handle.clone();
        let (ctx, guard) = ctx.with_cancel();
        let (tell, started) = bounded(1);
        let ready = move || {
            // Whoever waits for it may have been cancelled.
            let _ = tell.send(());
        };
        let goroutine = goroutine::Builder::new()
            .name(&*self.name)
            .spawn(move || manager::run(&self, &ctx, seat, ready))
            .unwrap_or_else(|error| panic!("cannot start the default runtime: {error}"));
        let supervisor = Supervisor {
            handle,
            guard,
            goroutine,
        };
        match started.recv() {
            Ok(()) => Ok(supervisor),
            Err(_) => Err(supervisor
                .wait()
                .expect_err("it has ended before it was ready")),
        }
    }
}
