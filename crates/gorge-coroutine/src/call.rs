//! Calling a function on another stack, and coming back: deep recursion
//! continues on a new segment.
//!
//! Unlike a fiber, the call is no position of its own. Whoever calls waits for
//! it, and if the caller is itself a fiber, the called function suspends that
//! one, from the other stack. Panics pass through, and backtraces show both.

use crate::arch;
use crate::sanitizer;
use crate::stack::Stack;
use crate::valgrind;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// The two words that the architecture code wants at the top of a stack, and
/// room to keep them 16-byte aligned.
#[repr(C, align(16))]
struct Base {
    link: usize,
    unused: usize,
}

/// A function to call, and then its result.
struct Errand<F, R> {
    call: sanitizer::Call,
    function: Option<F>,
    result: Option<thread::Result<R>>,
}

/// Calls `f` on `stack` and returns its result.
///
/// # Panics
///
/// A panic of `f` continues in the caller.
///
/// # Safety
///
/// As for [`try_call_on`].
#[inline]
pub unsafe fn call_on<S: Stack, F, R>(stack: &S, f: F) -> R
where
    F: FnOnce() -> R,
{
    // SAFETY: the caller's contract.
    unsafe { try_call_on(stack, f) }.unwrap_or_else(|panic| resume_unwind(panic))
}

/// As [`call_on`], but returns a panic of `f` instead of continuing it.
///
/// # Errors
///
/// The payload of a panic of `f`.
///
/// # Safety
///
/// Nobody else uses `stack` until the call is over; it stays mapped even if the
/// caller, a fiber that `f` suspended, is leaked meanwhile.
#[inline]
pub unsafe fn try_call_on<S: Stack, F, R>(stack: &S, f: F) -> thread::Result<R>
where
    F: FnOnce() -> R,
{
    let mut errand = ManuallyDrop::new(Errand {
        call: sanitizer::Call::new(),
        function: Some(f),
        result: None,
    });
    let errand_address = (&raw mut *errand).addr();
    // SAFETY: the stack is the callee's, with room for the base at its top;
    // the first and only resume runs `run` to its end, which is here.
    unsafe {
        let base = stack.top().as_ptr().cast::<Base>().sub(1);
        base.write(Base { link: 0, unused: 0 });
        let base = base.cast::<usize>();
        let sp = arch::prepare(base, run::<F, R>);
        errand.call.leave(stack.limit().as_ptr(), base.cast());
        let (_, sp) = arch::resume(sp, base, errand_address);
        errand.call.back();
        debug_assert!(sp.is_null(), "the callee does not suspend this call");
        valgrind::forget_frames(stack.limit().as_ptr(), base.cast());
    }
    match ManuallyDrop::into_inner(errand).result {
        Some(result) => result,
        None => unreachable!("the call leaves a result"),
    }
}

/// The saved stack pointer of the caller of what runs below `top`.
///
/// # Safety
///
/// A call runs there.
pub(crate) unsafe fn link_of(top: *const u8) -> *const u8 {
    // SAFETY: the base of the call lies below the top until the call is over.
    unsafe {
        let base = top.cast::<Base>().sub(1);
        (&raw const (*base).link)
            .cast::<*const u8>()
            .read_volatile()
    }
}

/// # Safety
///
/// `errand` is the address of an `Errand<F, R>` that waits for this call.
unsafe extern "C" fn run<F, R>(errand: usize, base: *mut usize) -> !
where
    F: FnOnce() -> R,
{
    // SAFETY: the caller's contract; its frame stays until `finish`, and
    // nothing on this stack is needed after.
    unsafe {
        let errand = errand as *mut Errand<F, R>;
        (*errand).call.arrive();
        let Some(f) = (*errand).function.take() else {
            unreachable!("called once")
        };
        (*errand).result = Some(catch_unwind(AssertUnwindSafe(f)));
        (*errand).call.go_back();
        arch::finish(base, 0)
    }
}
