//! The end of a runtime: what is left is cancelled, unwound and waited for.

use crate::cancel;
use crate::dump::{GoroutineDump, GoroutineSnapshot};
use crate::scheduler::{End, Shared};
use std::fmt;
use std::time::Duration;

/// Why [`Runtime::shutdown`](crate::Runtime::shutdown) did not stop every goroutine.
///
/// `Display` lists those that are left. They stay where they are, and so do the
/// threads that they are at home on.
pub struct ShutdownError {
    left: GoroutineDump,
    cause: Cause,
}

#[derive(Clone, Copy, Debug)]
enum Cause {
    TimedOut(Duration),
    Hopeless,
    CannotUnwind,
    OnGoroutine,
}

impl ShutdownError {
    /// The goroutines that would not stop, and what they did.
    pub fn goroutines(&self) -> &[GoroutineSnapshot] {
        self.left.goroutines()
    }

    /// Whether all that are left wait where no cancel reaches, for something that can
    /// never come: then the limit was not waited for.
    pub fn is_hopeless(&self) -> bool {
        matches!(self.cause, Cause::Hopeless)
    }

    /// Whether dropping a runtime tells of it: not of what it never waits for.
    pub(crate) fn is_worth_telling(&self) -> bool {
        matches!(self.cause, Cause::TimedOut(_) | Cause::Hopeless)
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.goroutines().len();
        let noun = if count == 1 {
            "goroutine"
        } else {
            "goroutines"
        };
        match self.cause {
            Cause::TimedOut(limit) => write!(
                f,
                "{count} {noun} did not stop within {} s of the runtime's shutdown and are leaked",
                limit.as_secs_f64()
            ),
            Cause::Hopeless => write!(
                f,
                "{count} {noun} cannot stop in the runtime's shutdown and are leaked: they wait \
                 where no cancel is delivered, and nothing can wake them"
            ),
            Cause::CannotUnwind => write!(
                f,
                "{count} {noun} are left behind by the runtime's shutdown: this build cannot \
                 unwind them (panic = \"abort\")"
            ),
            Cause::OnGoroutine => write!(
                f,
                "a runtime that is shut down on one of its own goroutines is not waited for; \
                 {count} {noun} are there"
            ),
        }?;
        write!(f, ":\n{}", self.left)
    }
}

impl fmt::Debug for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownError")
            .field("cause", &self.cause)
            .field("goroutines", &self.goroutines())
            .finish()
    }
}

impl std::error::Error for ShutdownError {}

impl Shared {
    /// Cancels every goroutine, and waits until all have ended, or until `limit`. Not
    /// for goroutines that could end only after the caller, as it `is_inside`.
    pub(crate) fn shut_down(&self, limit: Duration, is_inside: bool) -> Result<(), ShutdownError> {
        self.begin_shutdown();
        let cause = if is_inside {
            Cause::OnGoroutine
        } else {
            // Where nothing can make them end, they are not waited for.
            let limit = if cancel::DELIVERABLE {
                limit
            } else {
                Duration::ZERO
            };
            match self.wait_all_ended(limit) {
                End::Complete => return Ok(()),
                _ if !cancel::DELIVERABLE => Cause::CannotUnwind,
                End::TimedOut => Cause::TimedOut(limit),
                End::Hopeless => Cause::Hopeless,
            }
        };
        Err(ShutdownError {
            // Naming frames takes a while: only of those that should have stopped.
            left: GoroutineDump::take(self, matches!(cause, Cause::TimedOut(_) | Cause::Hopeless)),
            cause,
        })
    }
}
