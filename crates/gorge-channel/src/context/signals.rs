//! Contexts that a signal to the process cancels.
//!
//! Signals are the process's, so who wants them is kept for the process: for each signal, a
//! list of contexts. While there is one, a thread waits for the signal:
//!
//! ```text
//!   handler (signal-hook's) ── a byte ──► thread ── cancels ──► contexts of the list
//! ```
//!
//! A process that is forked has the handler but not the thread: there the signal does what it
//! did before.
//!
//! When the last one goes, so does the writing end of the pipe, and with it the thread. From
//! then on the handler, which stays in place, does what the signal did by default, if it
//! did that before. Handlers that were there before are called all the time.

use super::error::{self, ContextError, Ending};
use super::node::NodeRef;
use super::{CancelGuard, Context};
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};
use parking_lot::Mutex;
use signal_hook::SigId;
use signal_hook::low_level::{self, emulate_default_handler, signal_name};
use std::error::Error;
use std::ffi::c_int;
use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::thread;
use thiserror::Error;

/// A signal that came to the process: the [cause](Context::cause) of what it cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{} signal received", name(*.signal))]
pub struct SignalError {
    signal: c_int,
}

impl SignalError {
    /// The signal's number.
    pub fn signal(&self) -> i32 {
        self.signal
    }
}

/// As Go names them.
fn name(signal: c_int) -> String {
    match signal {
        libc::SIGHUP => "hangup".to_owned(),
        libc::SIGINT => "interrupt".to_owned(),
        libc::SIGQUIT => "quit".to_owned(),
        libc::SIGALRM => "alarm clock".to_owned(),
        libc::SIGTERM => "terminated".to_owned(),
        libc::SIGUSR1 => "user defined signal 1".to_owned(),
        libc::SIGUSR2 => "user defined signal 2".to_owned(),
        _ => signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned),
    }
}

/// Cancels a context when it is dropped, and gives its signals up; made by
/// [`Context::with_signals`].
#[must_use = "dropping the guard cancels the context at once"]
#[derive(Debug)]
pub struct SignalGuard {
    guard: Option<CancelGuard>,
    /// After the guard: the context is done when the signals do again what they did.
    wanted: Vec<Wanted>,
}

impl Context {
    /// Derives a context that is also cancelled when one of these signals comes to the
    /// process, by number. Its [cause](Context::cause) is then a [`SignalError`].
    ///
    /// As long as somebody wants a signal, it does nothing but that; any number of contexts
    /// may want the same one. When the last of their guards is dropped or
    /// [stopped](SignalGuard::stop), the signal does again what it does by default: a second
    /// interrupt ends the program. A handler that was installed before by other means is
    /// called as well, all the time; a signal that was ignored before is ignored again.
    /// What is installed afterwards by other means replaces all this.
    ///
    /// A thread waits for each signal that somebody wants.
    ///
    /// # Errors
    ///
    /// When the system refuses the handler, a thread or descriptors for it. Some signals
    /// cannot be had, such as SIGKILL, SIGSTOP, and those of faults.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    ///
    /// const SIGINT: i32 = 2;
    /// const SIGTERM: i32 = 15;
    ///
    /// let (context, guard) = context::background().with_signals([SIGINT, SIGTERM])?;
    /// // Serve until `context` is done. From here on, a signal ends the program at once:
    /// guard.stop();
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn with_signals(
        &self,
        signals: impl IntoIterator<Item = i32>,
    ) -> io::Result<(Context, SignalGuard)> {
        let (context, guard) = self.with_cancel();
        let mut wanted = Vec::new();
        for signal in signals {
            wanted.push(Wanted::new(signal, &context.node)?);
        }
        let guard = Some(guard);
        Ok((context, SignalGuard { guard, wanted }))
    }
}

impl SignalGuard {
    /// Cancels the context, as [`CancelGuard::cancel`] does. The signals stay wanted.
    pub fn cancel(&self) {
        if let Some(guard) = &self.guard {
            guard.cancel();
        }
    }

    /// As [`CancelGuard::cancel_with`].
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        if let Some(guard) = &self.guard {
            guard.cancel_with(cause);
        }
    }

    /// Gives the signals up, and cancels the context. What dropping this does.
    pub fn stop(self) {}

    /// Gives up the means to cancel the context, without doing so: for the rest of the
    /// process's life it is done when a signal comes, or the context that it was derived
    /// from is.
    pub fn forget(mut self) {
        if let Some(guard) = self.guard.take() {
            // It is not lost: the list of signals has the means, too.
            std::mem::forget(guard);
        }
        std::mem::forget(std::mem::take(&mut self.wanted));
    }
}

/// Who wants what.
static SIGNALS: Mutex<Vec<Signal>> = Mutex::new(Vec::new());

struct Signal {
    number: c_int,
    /// Nobody wants it: the handler does what the signal does by default.
    is_unwanted: Arc<AtomicBool>,
    /// Before anybody wanted it, it did what signals do by default.
    was_default: bool,
    contexts: Vec<NodeRef>,
    /// What writes to the thread's pipe, while there is one.
    pipe: Option<SigId>,
    /// Of the pipe: what comes by an older one is not for those who want the signal now.
    generation: u64,
}

/// A context in the list of a signal.
struct Wanted {
    signal: c_int,
    context: NodeRef,
}

impl Wanted {
    fn new(number: c_int, context: &NodeRef) -> io::Result<Wanted> {
        let mut signals = SIGNALS.lock();
        let place = match signals.iter().position(|signal| signal.number == number) {
            Some(place) => place,
            None => {
                signals.push(Signal::new(number)?);
                signals.len() - 1
            }
        };
        let signal = &mut signals[place];
        if signal.pipe.is_none() {
            signal.generation += 1;
            signal.pipe = Some(start(signal)?);
        }
        signal.contexts.push(context.clone());
        // Relaxed: the handler wants to know no more than this.
        signal.is_unwanted.store(false, Ordering::Relaxed);
        Ok(Wanted {
            signal: number,
            context: context.clone(),
        })
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut signals = SIGNALS.lock();
        let Some(signal) = signals.iter_mut().find(|it| it.number == self.signal) else {
            return;
        };
        let own = |it: &NodeRef| it.pointer() == self.context.pointer();
        let gone = signal.contexts.iter().position(own);
        let gone = gone.map(|place| signal.contexts.swap_remove(place));
        if signal.contexts.is_empty() {
            // Relaxed: as above.
            signal.is_unwanted.store(true, Ordering::Relaxed);
            signal.pipe.take().map(low_level::unregister);
        }
        drop(signals);
        drop(gone);
    }
}

impl Signal {
    /// Takes a signal over from the system.
    fn new(number: c_int) -> io::Result<Signal> {
        let is_unwanted = Arc::new(AtomicBool::new(true));
        // Those of faults come again and again, as the fault is still there.
        let of_faults = [libc::SIGBUS, libc::SIGTRAP, libc::SIGSYS];
        if signal_hook::consts::FORBIDDEN.contains(&number) || of_faults.contains(&number) {
            let text = format!("signal {number} cannot be handled");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let was_default = action(number)?.sa_sigaction == libc::SIG_DFL;
        if was_default {
            let flag = Arc::clone(&is_unwanted);
            signal_hook::flag::register_conditional_default(number, flag)?;
        }
        Ok(Signal {
            number,
            is_unwanted,
            was_default,
            contexts: Vec::new(),
            pipe: None,
            generation: 0,
        })
    }
}

/// Starts the thread of a signal; what makes the handler write to its pipe.
fn start(signal: &Signal) -> io::Result<SigId> {
    let (number, generation) = (signal.number, signal.generation);
    let (reader, writer) = UnixStream::pair()?;
    let builder = thread::Builder::new().name(format!("gorge-signal-{number}"));
    drop(builder.spawn(move || serve(number, generation, reader))?);
    let (was_default, process) = (signal.was_default, process::id());
    let handle = move || handle(number, was_default, process, &writer);
    // SAFETY: `handle` does only what a signal handler may.
    let pipe = unsafe { low_level::register(number, handle) }?;
    if let Err(error) = use_alternate_stack(number) {
        low_level::unregister(pipe);
        return Err(error);
    }
    Ok(pipe)
}

/// In the handler: tells the thread, or does what the signal does by default in a process
/// that was forked, to which no thread came along and whose pipe is this one's.
fn handle(number: c_int, was_default: bool, process: u32, writer: &UnixStream) {
    if process::id() == process {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `errno` is the thread's own, and `send`, which a handler may call, reads
        // one byte. If the pipe is full the thread has not heard of earlier signals yet.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            libc::send(writer.as_raw_fd(), [0_u8].as_ptr().cast(), 1, flags);
            *errno = before;
        }
    } else if was_default {
        // It fails for a number that is no signal's.
        _ = emulate_default_handler(number);
    }
}

/// What the thread does, until the pipe's other end is gone.
fn serve(number: c_int, generation: u64, mut signals: UnixStream) {
    let mut byte = [0];
    loop {
        match signals.read(&mut byte) {
            Ok(0) => return,
            // Destructors may panic: it was said, and the thread has to go on.
            Ok(_) => cancel_all(number, generation),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A signal has come.
fn cancel_all(number: c_int, generation: u64) {
    let signals = SIGNALS.lock();
    let signal = signals
        .iter()
        .find(|it| (it.number, it.generation) == (number, generation));
    let contexts = signal.map(|signal| signal.contexts.clone());
    drop(signals);
    let cause = error::cause(Box::new(SignalError { signal: number }));
    for context in contexts.into_iter().flatten() {
        let ending = Ending {
            reason: ContextError::Canceled,
            cause: Some(Arc::clone(&cause)),
        };
        let cancel = AssertUnwindSafe(move || context.cancel_by_hand(ending));
        catch_unwind(cancel).unwrap_or_else(std::mem::forget);
    }
}

/// What the process does with a signal.
fn action(number: c_int) -> io::Result<libc::sigaction> {
    let mut action = std::mem::MaybeUninit::uninit();
    // SAFETY: asks, and changes nothing; it writes to the place that it is given.
    match unsafe { libc::sigaction(number, std::ptr::null(), action.as_mut_ptr()) } {
        // SAFETY: written by the call that succeeded.
        0 => Ok(unsafe { action.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the handler run on the thread's alternate stack, if it has one: that of a goroutine
/// may be small.
fn use_alternate_stack(number: c_int) -> io::Result<()> {
    let mut action = action(number)?;
    action.sa_flags |= libc::SA_ONSTACK;
    // SAFETY: the action that the process has, with one flag more, which asks nothing else
    // of the handler.
    match unsafe { libc::sigaction(number, &action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {}", self.signal)
    }
}
