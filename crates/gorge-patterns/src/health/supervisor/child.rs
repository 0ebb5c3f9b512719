//! What a child is to be like.

use super::exit::{BoxError, ChildResult};
use super::life::Life;
use super::{Builder, manager};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(super) type Body = dyn Fn(&Life) -> Result<(), BoxError> + Send + Sync;

/// When a child is restarted that has ended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// When it failed: by an error, a panic, or because it was killed.
    Transient,
    /// Never, not even when it was stopped because of a sibling. Its specification goes with
    /// it.
    Temporary,
}

/// How a child is stopped. In each case its context is cancelled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It has that long to return. Then it is killed.
    Timeout(Duration),
    /// It is killed at once: its goroutine is cancelled, which unwinds it where it waits.
    Kill,
    /// It has all the time that it needs: for supervisors, whose children have to stop.
    Infinity,
}

impl Default for Shutdown {
    /// Five seconds.
    fn default() -> Shutdown {
        Shutdown::Timeout(Duration::from_secs(5))
    }
}

/// How often a child has to beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    pub(super) interval: Duration,
    pub(super) misses: u32,
}

/// What a child is to be like: its name, its function, and what to do when it ends.
///
/// # Examples
///
/// ```
/// use gorge_patterns::supervisor::{Child, Restart, Shutdown};
/// use std::time::Duration;
///
/// let child = Child::new("listener", |life| -> Result<(), std::io::Error> {
///     // Opens its socket here, and then says that others may count on it.
///     life.ready();
///     let _ = life.done().recv();
///     Ok(())
/// })
/// .restart(Restart::Transient)
/// .shutdown(Shutdown::Timeout(Duration::from_secs(1)))
/// .says_ready();
/// assert_eq!(child.name(), "listener");
/// ```
#[derive(Clone)]
#[must_use = "a child is started by a supervisor"]
pub struct Child {
    pub(super) name: Arc<str>,
    pub(super) body: Arc<Body>,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) significant: bool,
    pub(super) says_ready: bool,
    pub(super) start_timeout: Option<Duration>,
    pub(super) rhythm: Option<Rhythm>,
}

impl Child {
    /// A permanent child with five seconds to stop. The function is called for each start,
    /// on a goroutine of its own that has the child's name.
    ///
    /// It is to return when its [`Life`], which is its context, is done.
    pub fn new<F, R>(name: impl Into<String>, function: F) -> Child
    where
        F: Fn(&Life) -> R + Send + Sync + 'static,
        R: ChildResult,
    {
        Child {
            name: name.into().into(),
            body: Arc::new(move |life| function(life).into_result()),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            significant: false,
            says_ready: false,
            start_timeout: None,
            rhythm: None,
        }
    }

    /// A supervisor as a child. It is ready when all its children are, has all the time to
    /// stop that they need, and fails when it gives up.
    ///
    /// # Panics
    ///
    /// As [`Builder::start`].
    #[track_caller]
    pub fn supervisor(name: impl Into<String>, builder: Builder) -> Child {
        builder.expect_sound();
        let name = name.into();
        let builder = builder.named(&name);
        Child::new(name, move |life: &Life| {
            manager::run(&builder, life, manager::Seat::of(&builder), || {
                life.ready();
            })
        })
        .shutdown(Shutdown::Infinity)
        .says_ready()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it is restarted. Default: [`Restart::Permanent`].
    pub fn restart(mut self, restart: Restart) -> Child {
        self.restart = restart;
        self
    }

    /// How it is stopped. Default: a [timeout](Shutdown::Timeout) of five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Child {
        self.shutdown = shutdown;
        self
    }

    /// Whether its end by itself may end the supervisor; see
    /// [`AutoShutdown`](super::AutoShutdown). Default: no.
    pub fn significant(mut self, significant: bool) -> Child {
        self.significant = significant;
        self
    }

    /// It counts as started when it calls [`Life::ready`], and the next one is not started
    /// before. If it ends before, other than by returning, its start has failed. Default: a
    /// child counts as started when its goroutine is.
    pub fn says_ready(mut self) -> Child {
        self.says_ready = true;
        self
    }

    /// As [`says_ready`](Child::says_ready), with a limit: then it is killed, and its start
    /// has failed.
    pub fn ready_within(mut self, timeout: Duration) -> Child {
        self.start_timeout = Some(timeout);
        self.says_ready()
    }

    /// It calls [`Life::beat`] at least once per interval. When it has missed that in `misses`
    /// intervals in a row it is stopped, and ends as [killed](super::Exit::Killed).
    ///
    /// # Panics
    ///
    /// If the interval or the number is zero.
    #[track_caller]
    pub fn heartbeat(mut self, interval: Duration, misses: u32) -> Child {
        super::super::heartbeat::expect_interval(interval);
        assert!(
            misses > 0,
            "a child that may miss no pulse: allow it one at least"
        );
        self.rhythm = Some(Rhythm { interval, misses });
        self
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
