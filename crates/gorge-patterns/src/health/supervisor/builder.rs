//! What a supervisor is to be like.

use super::child::{Child, Restart};
use super::event::Event;
use gorge_channel::Sender;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Who is restarted with a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Nobody.
    #[default]
    OneForOne,
    /// All others: they are stopped, and all are started.
    OneForAll,
    /// Those that were started after it: they are stopped, and it and they are started.
    RestForOne,
    /// Nobody; the children are all alike, and are started at run time by
    /// [`start_instance`](super::Handle::start_instance). The builder's one child is the
    /// template. They are stopped at the same time.
    SimpleOneForOne,
}

/// Whether a supervisor ends with its [significant](Child::significant) children, when they
/// end by themselves and are not restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// No.
    #[default]
    Never,
    /// With the first one.
    AnySignificant,
    /// With the last one.
    AllSignificant,
}

type Backoff = dyn Fn(u32) -> Duration + Send + Sync;

/// What a supervisor is to be like; made by [`Supervisor::builder`](super::Supervisor::builder).
///
/// It can be started more than once, and be a [child](Child::supervisor) of another one.
#[derive(Clone)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    pub(super) name: Arc<str>,
    pub(super) strategy: Strategy,
    pub(super) limit: u32,
    pub(super) period: Duration,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) backoff: Arc<Backoff>,
    pub(super) abandon_after: Duration,
    pub(super) children: Vec<Child>,
    pub(super) events: usize,
    pub(super) sink: Option<Sender<Event>>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            name: "supervisor".into(),
            strategy: Strategy::default(),
            limit: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::default(),
            backoff: Arc::new(|_| Duration::ZERO),
            abandon_after: Duration::from_secs(1),
            children: Vec::new(),
            events: 64,
            sink: None,
        }
    }
}

impl Builder {
    /// The name that events and dumps show. Default: "supervisor".
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into().into();
        self
    }

    /// Takes that name if it was given none.
    pub(super) fn named(self, name: &str) -> Builder {
        if *self.name == *Builder::default().name {
            return self.name(name);
        }
        self
    }

    /// Who is restarted with a child. Default: [`Strategy::OneForOne`].
    pub fn strategy(mut self, strategy: Strategy) -> Builder {
        self.strategy = strategy;
        self
    }

    /// How many restarts there may be within a period, of all children together. With one
    /// more the supervisor gives up: it stops its children, and ends with
    /// [`TooManyRestarts`](super::SupervisorError::TooManyRestarts). Default: 1 in 5 s. Where
    /// supervisors nest, the numbers multiply.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[track_caller]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Builder {
        assert!(
            !period.is_zero(),
            "the period of a supervisor's intensity is zero: give it a length"
        );
        (self.limit, self.period) = (restarts, period);
        self
    }

    /// How long to wait before the n-th restart of a child in a row, from one on. It begins
    /// anew when a child has run for the [period](Builder::intensity). Default: not at all.
    pub fn backoff<F>(mut self, delay: F) -> Builder
    where
        F: Fn(u32) -> Duration + Send + Sync + 'static,
    {
        self.backoff = Arc::new(delay);
        self
    }

    /// As [`backoff`](Builder::backoff): so long at first, twice as long each time, up to a
    /// limit.
    pub fn exponential_backoff(self, initial: Duration, limit: Duration) -> Builder {
        self.backoff(move |failures| {
            let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
            initial.saturating_mul(factor).min(limit)
        })
    }

    /// Whether it ends with its significant children. Default: [`AutoShutdown::Never`].
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Builder {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// How long it waits for a child that it has killed, which may compute or block its
    /// thread, before it abandons that. Default: 1 s.
    pub fn abandon_after(mut self, grace: Duration) -> Builder {
        self.abandon_after = grace;
        self
    }

    /// One more child, started after those before.
    pub fn child(mut self, child: Child) -> Builder {
        self.children.push(child);
        self
    }

    /// How many [events](super::Handle::events) are kept for who has not received them yet.
    /// Default: 64.
    pub fn events(mut self, capacity: usize) -> Builder {
        self.events = capacity;
        self
    }

    /// Sends the events there: several supervisors may share a channel, such as those of a
    /// tree. What finds no room is lost, and counted.
    pub fn events_to(mut self, sink: Sender<Event>) -> Builder {
        self.sink = Some(sink);
        self
    }

    pub(super) fn is_simple(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }

    /// What is wrong with a child under this supervisor.
    pub(super) fn check(&self, child: &Child) -> Result<(), &'static str> {
        if !child.significant {
            return Ok(());
        }
        if child.restart == Restart::Permanent {
            return Err("a significant child is permanent: it never ends by itself for good");
        }
        if self.auto_shutdown == AutoShutdown::Never {
            return Err(
                "a child is significant, and the supervisor never shuts down by itself: \
                 give it another auto_shutdown",
            );
        }
        Ok(())
    }

    #[track_caller]
    pub(super) fn expect_sound(&self) {
        assert!(
            !self.is_simple() || self.children.len() == 1,
            "a simple supervisor has one child, its template; this one has {}",
            self.children.len()
        );
        for (index, child) in self.children.iter().enumerate() {
            if let Err(text) = self.check(child) {
                panic!("child {:?}: {text}", child.name);
            }
            assert!(
                !self.children[..index]
                    .iter()
                    .any(|it| it.name == child.name),
                "two children are called {:?}: give each a name of its own",
                child.name
            );
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("strategy", &self.strategy)
            .field("limit", &self.limit)
            .field("period", &self.period)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}
