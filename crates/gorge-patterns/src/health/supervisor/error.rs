//! Why a supervisor, or one of its operations, has failed.

use super::exit::Exit;
use gorge_runtime::JoinError;
use std::sync::Arc;
use std::time::Duration;

/// Why a supervisor has ended other than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// There were more restarts than its [intensity](super::Builder::intensity) allows.
    #[error(
        "more than {limit} restarts in {period:?}; the last one was of child {child:?}: {exit}"
    )]
    TooManyRestarts {
        /// The child that would have been restarted.
        child: Arc<str>,
        /// How that ended.
        exit: Exit,
        /// How many restarts are allowed,
        limit: u32,
        /// in how long.
        period: Duration,
    },
    /// A child could not be started, so those before it were stopped.
    #[error("child {child:?} could not be started: {exit}")]
    StartFailed {
        /// The child.
        child: Arc<str>,
        /// How it ended before it was ready.
        exit: Exit,
    },
    /// The context was done, before all children were started.
    #[error("the supervisor was stopped before all its children were started")]
    Stopped,
    /// The supervisor's own goroutine could not be started.
    #[error(transparent)]
    Goroutine(JoinError),
}

/// Why a child was not started, stopped or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// Nobody has this name.
    #[error("there is no child {0:?}")]
    NotFound(String),
    /// Somebody has this name.
    #[error("there is a child {0:?} already: give each child a name of its own")]
    AlreadyPresent(String),
    /// The child runs, or is about to be restarted: terminate it first.
    #[error("child {0:?} is running: terminate it first")]
    Running(String),
    /// The child ended before it was ready.
    #[error("child {child:?} could not be started: {exit}")]
    StartFailed {
        /// The child.
        child: Arc<str>,
        /// How it ended.
        exit: Exit,
    },
    /// What was asked for does not go with the supervisor's strategy.
    #[error("{0}")]
    Unsuitable(&'static str),
    /// The supervisor has ended.
    #[error("the supervisor has ended")]
    Ended,
}
