//! SIGQUIT: all goroutines on standard error, then the end of the process; Go's way
//! to ask a program that hangs what it is doing.
//!
//! ```text
//!   any thread             the thread of its own          runtimes
//!     SIGQUIT                                               register
//!     handler: writes  -->   reads the descriptor
//!                            dumps every registered one
//!                            exits with status 2
//!                            reads: nobody is left   <--    the last one goes
//!                            ends
//! ```
//!
//! There is one handler and one thread for the process, and only while a runtime
//! wants them. The handler writes to an event descriptor, which is never closed: a
//! late handler may still write. In a forked child, which has the handler but not
//! the thread, and to whoever asks again before the dump is out, SIGQUIT does what
//! it does by default.

use super::GoroutineDump;
use crate::deadlock::enter_as_servant;
use crate::fault;
use crate::primitive::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::scheduler::Shared;
use crate::traceback::Traceback;
use parking_lot::Mutex;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Weak};
use std::{mem, process, ptr, thread};

/// As in Go.
const STATUS: c_int = 2;

/// The event descriptor.
static EVENT: AtomicU32 = AtomicU32::new(NO_EVENT);
const NO_EVENT: u32 = u32::MAX;
/// The process that installed the handler.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// SIGQUIT has come.
static ASKED: AtomicBool = AtomicBool::new(false);
static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    runtimes: Vec::new(),
    has_thread: false,
    previous: None,
});

/// Who wants a dump, and what there is for it.
struct Registry {
    runtimes: Vec<Weak<Shared>>,
    has_thread: bool,
    /// The handler before ours, while ours is in place.
    previous: Option<libc::sigaction>,
}

/// A runtime's wish to be dumped; ends with the value.
pub(crate) struct Registration {
    runtime: Weak<Shared>,
}

impl Registration {
    /// # Errors
    ///
    /// When the system refuses a thread, a descriptor or the handler.
    pub(crate) fn new(runtime: &Arc<Shared>) -> io::Result<Registration> {
        let mut registry = REGISTRY.lock();
        prepare_event()?;
        if !registry.has_thread {
            let builder = thread::Builder::new().name("gorge-sigquit".to_owned());
            drop(builder.spawn(serve)?);
            registry.has_thread = true;
        }
        if registry.previous.is_none() {
            // Without a handler the thread is not needed, if this fails.
            registry.previous = Some(install().inspect_err(|_| notify())?);
        }
        let runtime = Arc::downgrade(runtime);
        registry.runtimes.push(runtime.clone());
        Ok(Registration { runtime })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock();
        let own = |it: &Weak<Shared>| Weak::ptr_eq(it, &self.runtime);
        registry.runtimes.retain(|it| !own(it));
        if registry.runtimes.is_empty() {
            if let Some(previous) = registry.previous.take() {
                restore(&previous);
            }
            // The thread sees that nobody is left.
            notify();
        }
    }
}

fn prepare_event() -> io::Result<()> {
    if EVENT.load(Ordering::Relaxed) == NO_EVENT {
        // SAFETY: makes a descriptor.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        let event = u32::try_from(event).map_err(|_| io::Error::last_os_error())?;
        // Release: pairs with the handler's Acquire, on whatever thread.
        EVENT.store(event, Ordering::Release);
    }
    Ok(())
}

/// Puts the handler in place; returns the one before.
fn install() -> io::Result<libc::sigaction> {
    // Release: pairs with the handler's Acquire, in this process.
    PROCESS.store(process::id(), Ordering::Release);
    let mut previous = MaybeUninit::uninit();
    // SAFETY: an all-zero sigaction is valid, and the handler async-signal-safe.
    let result = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        // On the alternate stack: a goroutine's may be small.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGQUIT, &action, previous.as_mut_ptr())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: written by the call that succeeded.
    Ok(unsafe { previous.assume_init() })
}

/// Puts the previous handler back, unless somebody has replaced ours.
fn restore(previous: &libc::sigaction) {
    // SAFETY: `previous` is an action that the process had.
    unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGQUIT, ptr::null(), &mut now);
        if now.sa_sigaction == handle as *const () as usize {
            libc::sigaction(libc::SIGQUIT, previous, ptr::null_mut());
        }
    }
}

extern "C" fn handle(_: c_int) {
    // SAFETY: async-signal-safe calls only; `errno` belongs to the interrupted code.
    unsafe {
        let errno = *libc::__errno_location();
        let is_here = libc::getpid().cast_unsigned() == PROCESS.load(Ordering::Acquire);
        if is_here && !ASKED.swap(true, Ordering::AcqRel) {
            notify();
        } else {
            let mut default: libc::sigaction = mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(libc::SIGQUIT, &default, ptr::null_mut());
            // Delivered when this handler returns.
            libc::raise(libc::SIGQUIT);
        }
        *libc::__errno_location() = errno;
    }
}

/// Makes the thread look. Async-signal-safe.
fn notify() {
    let (event, one) = (EVENT.load(Ordering::Acquire), 1_u64);
    // SAFETY: eight bytes, as an event descriptor wants. It fails when the counter
    // is full, and then the thread will look anyway.
    unsafe { libc::write(event.cast_signed(), (&raw const one).cast(), 8) };
}

/// What the thread does.
fn serve() {
    let _member = enter_as_servant();
    loop {
        wait();
        if ASKED.load(Ordering::Acquire) {
            report();
        }
        let mut registry = REGISTRY.lock();
        if registry.runtimes.is_empty() {
            registry.has_thread = false;
            return;
        }
    }
}

/// Returns when somebody has notified, or now and then without.
fn wait() {
    let (event, mut count) = (EVENT.load(Ordering::Relaxed), 0_u64);
    // SAFETY: room for the eight bytes that it reads. Whatever it returns, the
    // caller looks for what there is to do.
    unsafe { libc::read(event.cast_signed(), (&raw mut count).cast(), 8) };
}

/// Prints the dump and ends the process.
fn report() -> ! {
    let runtimes = REGISTRY.lock().runtimes.clone();
    let text = text(runtimes.iter().filter_map(Weak::upgrade));
    // Not through std's standard error, whose lock may be held by what hangs. The
    // process ends even if nobody reads it.
    fault::print(text.as_bytes());
    // SAFETY: ends the process at once: no destructor runs, as after a signal.
    unsafe { libc::_exit(STATUS) }
}

fn text(runtimes: impl Iterator<Item = Arc<Shared>>) -> String {
    let mut text = "SIGQUIT: quit\n".to_owned();
    for shared in runtimes {
        let frames = shared.config.traceback != Some(Traceback::None);
        let dump = GoroutineDump::take(&shared, frames);
        let (name, count) = (&shared.config.thread_name, dump.goroutines().len());
        text += &format!("\nruntime {name:?}, {count} goroutines:\n\n{dump}");
        // Dropping the last reference would wait for what hangs.
        mem::forget(shared);
    }
    text
}
