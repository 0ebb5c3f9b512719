//! `Monitor`: a state that one goroutine has, and the others ask to use.
//!
//! **Problem.** Several goroutines change the same thing. Instead of a lock around it, it is
//! given to one of them, the teller at the bank's counter, and whoever wants to change it
//! says what is to be done.
//!
//! ```text
//!   call(|balance| ..) ──┐                ┌──────────────┐
//!   call(|balance| ..) ──┼──► mailbox ──► │ &mut balance │ one after the other
//!   cast(|balance| ..) ──┘                └──────────────┘
//!        ▲                                       │
//!        └──────────── result, or panic ◄────────┘
//! ```
//!
//! **Who closes what.** The goroutine ends with the last handle, with [`Monitor::stop`], which
//! returns the state, and with a panic of a cast. **Cancelled** by its context; what is in
//! the mailbox then is dropped. A caller leaves by its own context, and a call that has not
//! begun by then is left out.

use crate::groups::caught::{CaughtPanic, catch};
use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, bounded, select_biased, unbounded};
use gorge_runtime::goroutine::{self, GoroutineId};
use gorge_runtime::{JoinHandle, go};
use gorge_sync::Mutex;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// A state that is confined to a goroutine. Clones use the same one.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Monitor;
///
/// let ctx = context::background();
/// let account = Monitor::new(&ctx, 100);
/// let withdrawn = account.call(&ctx, |balance| match *balance >= 80 {
///     true => { *balance -= 80; true }
///     false => false,
/// });
/// assert_eq!(withdrawn, Ok(true));
/// account.cast(|balance| *balance += 5).unwrap();
/// assert_eq!(account.stop(), Ok(25));
/// ```
pub struct Monitor<S> {
    mailbox: Sender<Request<S>>,
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    goroutine: GoroutineId,
    handle: Mutex<Option<JoinHandle<Result<S, CaughtPanic>>>>,
}

/// What is to be done.
enum Request<S> {
    /// Catches its own panics.
    Call(Box<dyn FnOnce(&mut S) + Send>),
    Cast(Box<dyn FnOnce(&mut S) + Send>),
}

/// Why a monitor did not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The caller's context was done before there was a result.
    #[error("the monitor had no result before the end: {0}")]
    Cancelled(ContextError),
    /// The monitor has ended.
    #[error("the monitor has ended")]
    Ended,
}

impl<S: Send + 'static> Monitor<S> {
    /// Starts a goroutine that has the state. Any number of requests may wait.
    #[must_use]
    #[track_caller]
    pub fn new(ctx: &Context, state: S) -> Monitor<S> {
        Monitor::start(ctx, state, unbounded())
    }

    /// As [`new`](Monitor::new), but at most so many requests may wait: then who asks does.
    #[must_use]
    #[track_caller]
    pub fn bounded(ctx: &Context, capacity: usize, state: S) -> Monitor<S> {
        Monitor::start(ctx, state, bounded(capacity))
    }

    #[track_caller]
    fn start(
        ctx: &Context,
        state: S,
        (mailbox, requests): (Sender<Request<S>>, Receiver<Request<S>>),
    ) -> Monitor<S> {
        let ctx = ctx.clone();
        let handle = go(move || serve(&ctx, state, requests));
        let shared = Shared {
            goroutine: handle.goroutine().id(),
            handle: Mutex::new(Some(handle)),
        };
        Monitor {
            mailbox,
            shared: Arc::new(shared),
        }
    }

    /// Has something done, and waits for its result.
    ///
    /// # Errors
    ///
    /// If the context is done, or the monitor ends, before. What was begun is ended all the
    /// same.
    ///
    /// # Panics
    ///
    /// With the panic of `f`: the monitor goes on, with the state as `f` has left it. And if
    /// it is called from within a call or cast of the same monitor, which would wait for
    /// itself.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits.
    pub fn call<F, R>(&self, ctx: &Context, f: F) -> Result<R, MonitorError>
    where
        F: FnOnce(&mut S) -> R + Send + 'static,
        R: Send + 'static,
    {
        assert!(
            goroutine::current().id() != self.shared.goroutine,
            "Monitor::call within the same monitor would wait for itself: use the state"
        );
        let cancelled = || MonitorError::Cancelled(ctx.err().unwrap_or(ContextError::Canceled));
        if ctx.err().is_some() {
            return Err(cancelled());
        }
        let (reply, replies) = bounded(1);
        let call = Request::Call(Box::new(move |state| {
            if !reply.is_closed() {
                let replied = catch(|| f(state));
                // There is room; the caller may have left, and a panic of the result's
                // destructor is nobody's then.
                let _ = catch(|| drop(reply.try_send(replied)));
            }
        }));
        let sent = select_biased! {
            send(self.mailbox, call) -> sent => sent.is_ok(),
            recv(ctx.done()) -> _ => return Err(cancelled()),
        };
        if !sent {
            return Err(MonitorError::Ended);
        }
        let replied = select_biased! {
            recv(replies) -> reply => reply.map_err(|_| MonitorError::Ended)?,
            recv(ctx.done()) -> _ => return Err(cancelled()),
        };
        replied.map_or_else(|panic| panic.resume(), Ok)
    }

    /// Has something done, and does not wait for it.
    ///
    /// If it panics, the monitor ends, and [`stop`](Monitor::stop) continues the panic.
    ///
    /// # Errors
    ///
    /// If the monitor has ended.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits for room in the mailbox.
    pub fn cast<F>(&self, f: F) -> Result<(), MonitorError>
    where
        F: FnOnce(&mut S) + Send + 'static,
    {
        let sent = self.mailbox.send(Request::Cast(Box::new(f)));
        sent.map_err(|_| MonitorError::Ended)
    }

    /// Ends the monitor when it has done what is in its mailbox, and returns the state.
    ///
    /// # Errors
    ///
    /// If another handle has stopped it, or its goroutine was cancelled.
    ///
    /// # Panics
    ///
    /// With the panic of a cast. And within the same monitor.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the state is dropped.
    pub fn stop(self) -> Result<S, MonitorError> {
        assert!(
            goroutine::current().id() != self.shared.goroutine,
            "Monitor::stop within the same monitor would wait for itself"
        );
        self.mailbox.close();
        let handle = self.shared.handle.lock().take();
        let ended = handle.ok_or(MonitorError::Ended)?.join();
        match ended.map_err(|_| MonitorError::Ended)? {
            Ok(state) => Ok(state),
            Err(panic) => panic.resume(),
        }
    }

    /// Whether the monitor takes nothing more.
    pub fn has_ended(&self) -> bool {
        self.mailbox.is_closed()
    }
}

/// The monitor's life.
fn serve<S>(ctx: &Context, mut state: S, requests: Receiver<Request<S>>) -> Result<S, CaughtPanic> {
    loop {
        let request = select_biased! {
            recv(ctx.done()) -> _ => break,
            recv(requests) -> request => request,
        };
        match request {
            Ok(Request::Call(call)) => call(&mut state),
            Ok(Request::Cast(cast)) => catch(|| cast(&mut state))?,
            Err(_) => break,
        }
    }
    Ok(state)
}

impl<S> Clone for Monitor<S> {
    fn clone(&self) -> Monitor<S> {
        Monitor {
            mailbox: self.mailbox.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S> fmt::Debug for Monitor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("waiting", &self.mailbox.len())
            .finish_non_exhaustive()
    }
}
