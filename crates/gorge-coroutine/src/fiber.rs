//! The unsafe basis: a stack with a saved position, and one word each way.
//!
//! [`Fiber`] is what a scheduler builds on: it owns no stack, keeps no type of
//! what it runs, and costs nothing beyond the switch. Its operations are
//! [`Fiber::new`], [`Fiber::resume`], [`Suspender::suspend`] and
//! [`Fiber::retire`]. [`Coroutine`](crate::Coroutine) is the safe form.
//!
//! The top of a stack that carries a fiber:
//!
//! ```text
//!   top
//!     Base { link, body, limit, sanitizer record }   16-byte aligned
//!   base
//!     first frame of the body, growing down
//! ```

use crate::arch;
use crate::sanitizer;
use crate::stack::Stack;
use crate::valgrind;
use std::ptr::NonNull;

/// The code of a fiber: gets the word of the first resume, and returns the
/// word that the last resume returns. It must not unwind: an unwind that
/// reaches it aborts the process.
pub type Body = unsafe fn(arg: usize, suspender: Suspender) -> usize;

/// What lies at the top of a fiber's stack. The link word must come first: the
/// architecture code addresses it.
#[repr(C, align(16))]
struct Base {
    link: usize,
    body: Body,
    limit: *const u8,
    record: sanitizer::Record,
}

/// A body of code with a position in it, on a stack that somebody else owns.
pub struct Fiber {
    /// Null once the body has returned.
    sp: *mut u8,
    base: NonNull<Base>,
}

/// How a resume ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// The fiber suspended itself with this word.
    Suspended(usize),
    /// The body returned this word; the fiber must not be resumed again.
    Finished(usize),
}

impl Fiber {
    /// Lays out `stack` so that the first resume calls `body`.
    ///
    /// # Safety
    ///
    /// Nothing else uses the stack until [`retire`](Fiber::retire), and the
    /// stack stays mapped at least as long as the fiber is resumed.
    #[inline]
    pub unsafe fn new<S: Stack>(stack: &S, body: Body) -> Fiber {
        let top = stack.top().as_ptr();
        debug_assert_eq!(top as usize % 16, 0);
        // SAFETY: a stack has room for its base below `top`, and the caller
        // gives it to this fiber alone.
        unsafe {
            let base = top.sub(size_of::<Base>()).cast::<Base>();
            base.write(Base {
                link: 0,
                body,
                limit: stack.limit().as_ptr(),
                record: sanitizer::Record::new(),
            });
            let sp = arch::prepare(base.cast(), run_body);
            Fiber {
                sp,
                base: NonNull::new_unchecked(base),
            }
        }
    }

    /// As [`resume_at`](Fiber::resume_at), for an owner that has it to itself.
    ///
    /// # Safety
    ///
    /// As for [`resume_at`](Fiber::resume_at).
    #[inline(always)]
    pub unsafe fn resume(&mut self, arg: usize) -> Resumed {
        // SAFETY: the caller's contract.
        unsafe { Fiber::resume_at(self, arg) }
    }

    /// Runs the fiber on this thread until it suspends or ends. Meanwhile the
    /// fiber's own code may read `*this`, for its [`suspender`](Fiber::suspender).
    ///
    /// # Safety
    ///
    /// `this` is valid; the fiber has not finished and is not running. What it
    /// runs is sound to run on this thread: a body that was suspended may hold
    /// values and thread-local references that must not change threads.
    #[inline(always)]
    pub unsafe fn resume_at(this: *mut Fiber, arg: usize) -> Resumed {
        // SAFETY: `sp` is where the fiber stopped and `base` its link word;
        // the caller answers for running it here. The hooks bracket the switch.
        unsafe {
            debug_assert!(!(*this).sp.is_null(), "resumed a finished fiber");
            let base = (*this).base.as_ptr();
            (*base).record.before_resume((*base).limit, base.cast());
            let (word, sp) = arch::resume((*this).sp, base.cast(), arg);
            (*base).record.after_resume();
            (*this).sp = sp;
            if sp.is_null() {
                Resumed::Finished(word)
            } else {
                Resumed::Suspended(word)
            }
        }
    }

    /// The way back to the resumer, for the fiber's own code.
    #[inline(always)]
    pub fn suspender(&self) -> Suspender {
        Suspender { base: self.base }
    }

    /// Whether the body has returned.
    pub fn is_finished(&self) -> bool {
        self.sp.is_null()
    }

    /// The stack pointer at which the fiber is suspended; null when finished.
    pub fn stack_pointer(&self) -> *const u8 {
        self.sp
    }

    /// Ends the fiber's use of its stack, which may be used anew afterwards.
    ///
    /// # Safety
    ///
    /// The fiber has finished, or never started: no frame is live on the stack.
    pub unsafe fn retire(self) {
        // SAFETY: the base stays valid until here, and is not used after.
        unsafe {
            let base = self.base.as_ptr();
            (*base).record.destroy();
            valgrind::forget_frames((*base).limit, base.cast());
        }
    }
}

/// The way back from a fiber to its resumer. Only valid on the fiber's stack.
#[derive(Clone, Copy)]
pub struct Suspender {
    base: NonNull<Base>,
}

impl Suspender {
    /// The top of the stack that the fiber was given: its base lies below.
    pub(crate) fn top(self) -> NonNull<u8> {
        // SAFETY: one past the base, which lies below the top.
        unsafe { self.base.add(1).cast() }
    }

    /// Stops the fiber and makes its resume return [`Resumed::Suspended`] with
    /// `arg`. Returns the word of the next resume.
    ///
    /// # Safety
    ///
    /// Called on the stack of the fiber this suspender belongs to.
    #[inline(always)]
    pub unsafe fn suspend(self, arg: usize) -> usize {
        let base = self.base.as_ptr();
        // SAFETY: on the fiber's own stack, so it was resumed, and its link
        // word points at the resumer.
        unsafe {
            (*base).record.before_suspend(false);
            let word = arch::suspend(base.cast(), arg);
            (*base).record.after_suspend();
            word
        }
    }
}

/// The entry of every fiber: an unwind out of `extern "C"` aborts.
///
/// It does not return but switches away for good: with ThreadSanitizer, a
/// function that was entered on the fiber's shadow stack must not be left on
/// the resumer's.
unsafe extern "C" fn run_body(arg: usize, base: *mut usize) -> ! {
    let base = base.cast::<Base>();
    // SAFETY: `base` was written by `Fiber::new` and lives while the fiber
    // runs; the suspender is used on this stack only, by the body's contract;
    // when the body has returned, nothing on the stack is needed any more.
    unsafe {
        (*base).record.after_suspend();
        let word = ((*base).body)(
            arg,
            Suspender {
                base: NonNull::new_unchecked(base),
            },
        );
        (*base).record.before_suspend(true);
        arch::finish(base.cast(), word)
    }
}
