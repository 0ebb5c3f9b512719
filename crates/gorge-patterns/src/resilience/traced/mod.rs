//! `Traced`: an error that says to users what they can do, and to the log what happened.
//!
//! **Problem.** An error that travels up through ten calls is, at the top, either a riddle or a
//! page of internals. A user needs a sentence, and whoever helps needs everything: what, when,
//! where, on whose behalf; and a way from one to the other.
//!
//! ```text
//!   io::Error ──► Traced("cannot read the settings") ──► Traced("the job did not start") ──► user
//!                   what, when, where, who, id             what, when, where, who, same id
//!                                                                    └── report ──► log
//! ```
//!
//! Displayed, it is the sentence, with an id. [`detail`](Traced::detail) is all the rest, with
//! the same id, and [`report`](Traced::report) writes that to the log.
//!
//! **Who closes what, how it is cancelled.** There is nothing to close and nothing that waits.

mod extension;
mod sink;

pub use extension::{TraceOption, TraceResult};
pub use sink::{LogSinkGuard, set_log_sink};

use gorge_runtime::goroutine::{self, GoroutineId};
use gorge_runtime::primitive::random_below;
use gorge_runtime::time;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::{SystemTime, UNIX_EPOCH};

/// What finds the log's detail of what a user was told: sixteen hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u64);

impl TraceId {
    fn new() -> TraceId {
        // In a simulation the seed decides it.
        let digits = (0..4).fold(0, |id, _| id << 16 | random_below(1 << 16) as u64);
        TraceId(digits)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// An error with a sentence for users, and what the log needs to know: where and when it was
/// made, by which goroutine, of which error, and what else was noted.
///
/// It is made by [`traced`](TraceResult::traced) on a `Result`, mostly. One that is made of
/// another one has that one's id, so that all of them are found together.
///
/// # Examples
///
/// ```
/// use gorge_patterns::{TraceResult, Traced};
///
/// fn settings() -> Result<String, Traced> {
///     std::fs::read_to_string("/no/such/file").traced("The settings cannot be read.")
/// }
///
/// fn start() -> Result<(), Traced> {
///     let _settings = settings().traced("The job did not start.")?;
///     Ok(())
/// }
///
/// let error = start().unwrap_err();
/// assert_eq!(error.to_string(), format!("The job did not start. [{}]", error.id()));
/// let detail = error.detail().to_string();
/// assert!(detail.contains("The settings cannot be read.") && detail.contains("No such file"));
/// ```
pub struct Traced {
    // Boxed, so that a result is not made larger by what mostly is not there.
    inner: Box<Inner>,
}

struct Inner {
    id: TraceId,
    message: String,
    when: SystemTime,
    place: &'static Location<'static>,
    goroutine: GoroutineId,
    goroutine_name: Option<String>,
    notes: Vec<(&'static str, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Traced {
    /// One that begins here.
    #[track_caller]
    #[must_use]
    pub fn new(message: impl Into<String>) -> Traced {
        Traced::make(message.into(), TraceId::new(), None)
    }

    /// One of another error. It has that one's id, if that one, or what it is of, is such an
    /// error.
    #[track_caller]
    #[must_use]
    pub fn of(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Traced {
        let source = source.into();
        let id = id_of(&*source).unwrap_or_else(TraceId::new);
        Traced::make(message.into(), id, Some(source))
    }

    #[track_caller]
    fn make(message: String, id: TraceId, source: Option<Box<dyn Error + Send + Sync>>) -> Traced {
        let goroutine = goroutine::current();
        let inner = Inner {
            id,
            message,
            when: time::system_time(time::now()),
            place: Location::caller(),
            goroutine: goroutine.id(),
            goroutine_name: goroutine.name().map(str::to_owned),
            notes: Vec::new(),
            source,
        };
        Traced {
            inner: Box::new(inner),
        }
    }

    /// Adds something for the log: a request's number, a file's name.
    #[must_use]
    pub fn note(mut self, name: &'static str, value: impl fmt::Display) -> Traced {
        self.inner.notes.push((name, value.to_string()));
        self
    }

    /// What finds this in the log.
    #[must_use]
    pub fn id(&self) -> TraceId {
        self.inner.id
    }

    /// What users are told, without the id.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// When it was made.
    #[must_use]
    pub fn when(&self) -> SystemTime {
        self.inner.when
    }

    /// Where it was made.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.inner.place
    }

    /// Which goroutine made it: zero for an OS thread.
    #[must_use]
    pub fn goroutine(&self) -> GoroutineId {
        self.inner.goroutine
    }

    /// The name of the goroutine that made it, or of the thread.
    #[must_use]
    pub fn goroutine_name(&self) -> Option<&str> {
        self.inner.goroutine_name.as_deref()
    }

    /// What was noted, in order.
    pub fn notes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.inner
            .notes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// All that is known, as lines for a log.
    #[must_use]
    pub fn detail(&self) -> Detail<'_> {
        Detail { error: self }
    }

    /// Writes the detail to the [log](set_log_sink), and returns what to tell the user.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::{Traced, set_log_sink};
    /// use gorge_sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let _guard = set_log_sink({
    ///     let log = log.clone();
    ///     move |error: &Traced| log.lock().push(error.detail().to_string())
    /// });
    /// let told = Traced::new("Please try again later.").note("disk", "full").report();
    /// let (_, id) = told.rsplit_once(' ').unwrap();
    /// assert!(log.lock()[0].contains(id.trim_matches(['[', ']'])));
    /// assert!(log.lock()[0].contains("disk: full"));
    /// ```
    pub fn report(&self) -> String {
        sink::write(self);
        self.to_string()
    }
}

/// The id of the first one among an error and its sources.
fn id_of(error: &(dyn Error + 'static)) -> Option<TraceId> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(traced) = error.downcast_ref::<Traced>() {
            return Some(traced.id());
        }
        next = error.source();
    }
    None
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.inner.message, self.inner.id)
    }
}

/// What a program shows that ends with it: the detail.
impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail().fmt(f)
    }
}

impl Error for Traced {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// All that is known of an error and its sources, one below the other.
#[derive(Clone, Copy)]
pub struct Detail<'a> {
    error: &'a Traced,
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.error.id())?;
        let mut next: Option<&(dyn Error + 'static)> = Some(self.error);
        let mut indent = "";
        while let Some(error) = next {
            match error.downcast_ref::<Traced>() {
                Some(traced) => layer(f, indent, &traced.inner)?,
                None => write!(f, "{indent} {error}")?,
            }
            next = error.source();
            indent = "\n  of:";
        }
        Ok(())
    }
}

fn layer(f: &mut fmt::Formatter<'_>, indent: &str, inner: &Inner) -> fmt::Result {
    write!(f, "{indent} {}", inner.message)?;
    write!(f, "\n    at {}, ", inner.place)?;
    match inner.when.duration_since(UNIX_EPOCH) {
        Ok(since) => write!(
            f,
            "{}.{:06} s after 1970",
            since.as_secs(),
            since.subsec_micros()
        )?,
        Err(before) => write!(f, "{:?} before 1970", before.duration())?,
    }
    match (&inner.goroutine_name, inner.goroutine) {
        (Some(name), id) => write!(f, ", goroutine {id} ({name})")?,
        (None, id) => write!(f, ", goroutine {id}")?,
    }
    inner
        .notes
        .iter()
        .try_for_each(|(name, value)| write!(f, "\n    {name}: {value}"))
}

impl fmt::Debug for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
