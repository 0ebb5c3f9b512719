//! The handler for SIGSEGV and SIGBUS; see the module above.

use super::message::Message;
use crate::goroutine::G;
use crate::scheduler::current;
use crate::stack;
use gorge_coroutine::stack::GUARD_BYTES;
use std::ffi::{c_int, c_void};
use std::mem::{self, MaybeUninit};
use std::sync::Once;

/// Frames printed at most: an overflow is mostly one frame over and over.
const FRAMES_MAX: u32 = 24;

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The handlers that were there before, in the order of [`SIGNALS`]. Written
/// once, before the handler that reads them is installed.
static mut PREVIOUS: [MaybeUninit<libc::sigaction>; 2] = [const { MaybeUninit::uninit() }; 2];

/// Installs the handler, once per process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (index, signal) in SIGNALS.into_iter().enumerate() {
            // SAFETY: an all-zero sigaction is valid; nobody reads PREVIOUS
            // before the handler for this signal is in place, and no other
            // thread is in here.
            unsafe {
                let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
                libc::sigaction(signal, std::ptr::null(), previous.as_mut_ptr());
                PREVIOUS[index] = previous;
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = handle as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut action.sa_mask);
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    });
}

/// # Safety
///
/// Called by the kernel as the handler of one of [`SIGNALS`].
unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `info`; for these signals it holds an
    // address.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some(reserve) = overflowed(address) {
        report(reserve);
        // SAFETY: async-signal-safe.
        unsafe { libc::abort() }
    }
    // SAFETY: the arguments are the kernel's own.
    unsafe { pass_on(signal, info, context) }
}

/// The reserve of the stack or segment that this thread runs on, if `address` is
/// in the guard below it. `None` for a thread's own stack, which is std's to
/// report.
fn overflowed(address: usize) -> Option<usize> {
    let extent = match current::stack_owner() {
        Some(_) => stack::extent(),
        None => stack::thread_segment()?,
    };
    let guard = extent.limit.checked_sub(GUARD_BYTES)?..extent.limit;
    guard.contains(&address).then_some(extent.reserve)
}

fn report(reserve: usize) {
    let mut message = Message::new();
    message.text("\nfatal: stack overflow in ");
    let g = current::stack_owner();
    match &g {
        // SAFETY: the goroutine runs, so it is in one life, with one name.
        Some(g) => unsafe { identify(&mut message, g.as_ref()) },
        None => {
            message.text("a stack segment of a thread");
        }
    }
    message
        .text(": ")
        .decimal(reserve as u64 / 1024)
        .text(" KiB reserve exceeded\n")
        .text("(raise it with Builder::stack_reserve, or recurse through stack::grow)\n\n")
        .print();
    // A plain thread's alternate stack is too small for an unwinder.
    if let Some(g) = g {
        // SAFETY: as above.
        let id = unsafe { g.as_ref() }.id().as_u64();
        message
            .text("goroutine ")
            .decimal(id)
            .text(" [running]:\n")
            .print();
        print_frames();
    }
}

/// # Safety
///
/// The goroutine stays in this life.
unsafe fn identify(message: &mut Message, g: &G) {
    message.text("goroutine ").decimal(g.id().as_u64());
    // SAFETY: the caller's contract.
    if let Some(name) = unsafe { g.name() } {
        message.text(" \"").text(name).text("\"");
    }
}

/// Prints the addresses of the frames below the handler.
///
/// The unwinder reads tables only: no allocation, and with a C library that
/// finds a function's module without a lock (glibc 2.35 and newer), no lock.
fn print_frames() {
    let mut walk = Walk {
        message: Message::new(),
        frames: 0,
        base: load_address(),
    };
    // SAFETY: `frame` gets the address of `walk` and nothing else.
    unsafe { _Unwind_Backtrace(frame, (&raw mut walk).cast()) };
    if walk.frames == FRAMES_MAX {
        walk.message.text("  ... more frames elided\n").print();
    }
}

struct Walk {
    message: Message,
    frames: u32,
    /// Where the program was loaded, so that addresses can be looked up later.
    base: usize,
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        callback: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    /// The linker's name for the start of this module.
    static __executable_start: u8;
}

fn load_address() -> usize {
    (&raw const __executable_start).addr()
}

/// # Safety
///
/// Called by the unwinder with the address of a [`Walk`].
unsafe extern "C" fn frame(context: *mut c_void, walk: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const STOP: c_int = 5;
    // SAFETY: the unwinder passes its own context on, and `print_frames`'s walk.
    let (walk, ip) = unsafe { (&mut *walk.cast::<Walk>(), _Unwind_GetIP(context)) };
    if walk.frames == FRAMES_MAX {
        return STOP;
    }
    walk.message
        .text("  ")
        .decimal(u64::from(walk.frames))
        .text(": ")
        .hexadecimal(ip as u64)
        .text(" (program + ")
        .hexadecimal(ip.wrapping_sub(walk.base) as u64)
        .text(")\n")
        .print();
    walk.frames += 1;
    GO_ON
}

/// Does what would have been done without this handler.
///
/// # Safety
///
/// Called from the handler with its own arguments.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let index = usize::from(signal != SIGNALS[0]);
    // SAFETY: written before this handler was installed, and never again.
    let previous = unsafe { PREVIOUS[index].assume_init() };
    match previous.sa_sigaction {
        // The default, or a signal ignored that cannot be: the instruction
        // faults again, and the kernel ends the process.
        // SAFETY: reinstalls an action that the process had.
        libc::SIG_DFL | libc::SIG_IGN => unsafe {
            let mut default: libc::sigaction = mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &default, std::ptr::null_mut());
        },
        // SAFETY: a handler of three arguments, by its flag.
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                mem::transmute(handler);
            handler(signal, info, context);
        },
        // SAFETY: a handler of one argument, by the lack of that flag.
        handler => unsafe {
            let handler: extern "C" fn(c_int) = mem::transmute(handler);
            handler(signal);
        },
    }
}
