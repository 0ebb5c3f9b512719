//! Spawning with options, in the shape of [`std::thread::Builder`].

use super::spawn::{Spec, spawn_on, with_runtime};
use super::{JoinHandle, Scope, ScopedJoinHandle};
use crate::default_runtime;
use crate::scheduler::current;
use std::io;
use std::sync::Arc;

/// Options of a goroutine to be.
///
/// # Examples
///
/// ```
/// use gorge_runtime::goroutine;
///
/// let handle = goroutine::Builder::new()
///     .name("answer")
///     .spawn(|| goroutine::current().name().map(str::to_owned))
///     .unwrap();
/// assert_eq!(handle.join().unwrap().as_deref(), Some("answer"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<Arc<String>>,
    migrating: Option<bool>,
    stack_reserve: Option<usize>,
    extra_weight: u32,
    child_first: bool,
}

impl Builder {
    /// No options.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The name that panics and dumps show.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(Arc::new(name.into()));
        self
    }

    /// Address space for the goroutine's stack in bytes, committed page by page
    /// as it is touched, up to 1 GiB. Rounded up to a power of two. Default: the
    /// runtime's [`stack_reserve`](crate::Builder::stack_reserve).
    ///
    /// If that is more than can be had, the goroutine ends unstarted; see
    /// [`JoinError::is_not_started`](crate::JoinError::is_not_started).
    pub fn stack_reserve(mut self, bytes: usize) -> Builder {
        self.stack_reserve = Some(bytes);
        self
    }

    /// How much of a run queue's load the goroutine is, where one is the usual:
    /// a worker without work takes from the heaviest queue. Default: 1.
    ///
    /// # Panics
    ///
    /// If `weight` is zero.
    pub fn weight(mut self, weight: u32) -> Builder {
        assert!(weight > 0, "a goroutine's weight is at least 1");
        self.extra_weight = weight - 1;
        self
    }

    /// Whether the new goroutine runs at once, before the rest of the one that
    /// starts it, which waits meanwhile where other workers may take it
    /// (continuation stealing; only a migrating parent can be taken). Default:
    /// false, the starter goes on and the new one comes next.
    ///
    /// Recursive fork-join programs then run depth first, and few of their
    /// goroutines are alive at once. It makes no difference on an OS thread,
    /// and inside [`pin`](super::pin()) and [`no_park`](super::no_park()).
    pub fn child_first(mut self, child_first: bool) -> Builder {
        self.child_first = child_first;
        self
    }

    /// Lets any worker thread resume this goroutine, whatever the runtime's
    /// own setting: Go's scheduler in full.
    ///
    /// # Safety
    ///
    /// In any code that the goroutine runs, no reference into a thread-local
    /// and no value that is bound to its thread lives across a park point (any
    /// operation that can wait). Even then, code that the compiler has given a
    /// cached address of a thread-local across such a point is formally
    /// undefined with today's compilers; the runtime itself reads its own
    /// anew after every switch.
    pub unsafe fn migrating(mut self) -> Builder {
        self.migrating = Some(true);
        self
    }

    /// Starts a goroutine that runs `f`.
    ///
    /// # Errors
    ///
    /// If the process-wide default runtime is needed and cannot be created.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spec = self.spec()?;
        // SAFETY: `f` and `T` are `'static`.
        Ok(with_runtime(|shared| unsafe { spawn_on(shared, spec, f) }))
    }

    /// Starts a goroutine that runs `f`, in a scope: it may borrow what outlives
    /// that.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Builder::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::goroutine;
    ///
    /// let words = ["lent", "to", "all"];
    /// goroutine::scope(|s| {
    ///     for word in &words {
    ///         let builder = goroutine::Builder::new().name(*word);
    ///         builder.spawn_scoped(s, || word.len()).unwrap();
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Ok(scope.spawn_as(self.spec()?, f))
    }

    /// What to start, where there is a runtime to start it on.
    #[track_caller]
    fn spec(&self) -> io::Result<Spec<'_>> {
        if current::runtime().is_none() {
            default_runtime::try_get().map_err(io::Error::other)?;
        }
        Ok(Spec {
            name: self.name.as_ref(),
            migrating: self.migrating,
            stack_reserve: self.stack_reserve,
            extra_weight: self.extra_weight,
            child_first: self.child_first,
            ..Spec::plain()
        })
    }
}
