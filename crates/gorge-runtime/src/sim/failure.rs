//! Why a simulation failed, with all that is known of it.

use super::strategy::Strategy;
use super::trace::Trace;
use crate::deadlock::DeadlockReport;
use crate::dump::GoroutineDump;
use crate::goroutine::GoroutineId;
use parking_lot::Mutex;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What went wrong first, as the world finds it.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// The main goroutine panicked, or one whose result nobody asked for.
    Panic(GoroutineId, Arc<str>),
    /// Everybody waits, and the main goroutine is among them.
    Deadlock,
    /// Everybody waits, and the main goroutine has ended.
    Leak,
    /// There were too many steps, or too many without time passing.
    StepLimit { at_once: bool },
}

/// In which way a simulation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The closure panicked, or a goroutine that nobody joined.
    Panic,
    /// All goroutines waited, the closure's among them, and no timer was left.
    Deadlock,
    /// The closure had returned, and some goroutines waited for what never comes.
    Leak,
    /// There was no end to it.
    StepLimit,
}

/// A simulation that failed: how, with which seed, and after which steps.
///
/// `Display` prints all of it: how to replay it, the schedule, and the goroutines.
pub struct Failure(pub(super) Box<Facts>);

/// What is known of a failure.
pub(super) struct Facts {
    pub(super) seed: u64,
    pub(super) strategy: Strategy,
    pub(super) cause: Cause,
    pub(super) time: Duration,
    pub(super) trace: Trace,
    pub(super) report: Option<DeadlockReport>,
    pub(super) dump: GoroutineDump,
    pub(super) payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Failure {
    /// The seed that fails, every time.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// In which way it failed.
    pub fn kind(&self) -> FailureKind {
        match self.0.cause {
            Cause::Panic(..) => FailureKind::Panic,
            Cause::Deadlock => FailureKind::Deadlock,
            Cause::Leak => FailureKind::Leak,
            Cause::StepLimit { .. } => FailureKind::StepLimit,
        }
    }

    /// How the next goroutine was chosen, with this seed.
    pub fn strategy(&self) -> Strategy {
        self.0.strategy
    }

    /// At which step it failed: how many there were.
    pub fn step(&self) -> u64 {
        self.0.trace.len()
    }

    /// What the virtual clock showed, since the beginning.
    pub fn time(&self) -> Duration {
        self.0.time
    }

    /// What happened before.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// The goroutines that were left, and what they did.
    pub fn dump(&self) -> &GoroutineDump {
        &self.0.dump
    }

    /// The payload of the closure's panic, if that is what it was.
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        self.0.payload.into_inner()
    }

    /// What went wrong, in a line or two: of a panic, its message.
    pub fn message(&self) -> String {
        match &self.0.cause {
            Cause::Panic(id, message) => format!("goroutine {id} panicked: {message}"),
            Cause::Deadlock => "all goroutines are asleep - deadlock!".to_owned(),
            Cause::Leak => format!(
                "the closure has returned, and {} it started will never end",
                match self.0.dump.goroutines().len() {
                    1 => "a goroutine that".to_owned(),
                    count => format!("{count} goroutines that"),
                }
            ),
            Cause::StepLimit { at_once: true } => format!(
                "no end after {} steps, the last of them without time passing: a livelock? (or \
                 raise sim::Config::max_steps_at_once)",
                self.step()
            ),
            Cause::StepLimit { at_once: false } => format!(
                "no end after {} steps (or raise sim::Config::max_steps; sim::run has no such limit, \
                 unless it is set there, too)",
                self.step()
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, step) = (self.0.seed, self.step());
        writeln!(f, "simulation failed: {}", self.message())?;
        writeln!(
            f,
            "seed {seed}, step {step}, {:?} of virtual time, {:?}",
            self.0.time, self.0.strategy
        )?;
        writeln!(
            f,
            "to replay it: gorge::sim::run({seed}, ..) with the same options, or \
             GORGE_SIM_SEED={seed} for a check, which adds the lines"
        )?;
        let shown = self.0.trace.steps().count() as u64;
        match step - shown {
            0 => writeln!(f, "\nall {step} steps:")?,
            _ => writeln!(f, "\nthe last {shown} of {step} steps:")?,
        }
        write!(f, "{}", self.0.trace)?;
        match &self.0.report {
            Some(report) => write!(f, "\n{report}"),
            None if self.0.dump.goroutines().is_empty() => Ok(()),
            None => write!(f, "\ngoroutines that are left:\n\n{}", self.0.dump),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind())
            .field("seed", &self.0.seed)
            .field("step", &self.step())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Failure {}
