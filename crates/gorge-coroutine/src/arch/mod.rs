//! What a processor architecture provides: five operations on a bare stack.
//!
//! * [`prepare`] writes the first frame of a coroutine below `top`, so that
//!   the first [`resume`] calls `entry(arg, base)` on that stack.
//! * [`resume`] runs the coroutine at `sp` until it suspends or finishes, and
//!   hands back one word and the coroutine's new stack pointer (null when it
//!   has finished).
//! * [`suspend`] gives one word to whoever resumed this coroutine, and returns
//!   with the word of the next resume.
//! * [`finish`] gives one word to the resumer and does not return.
//!
//! * [`position`] reads where a stack that was switched away from continues.
//!
//! All share one fact: the word at `base` holds the resumer's stack
//! pointer while the coroutine runs. Unwinders and debuggers follow it from
//! the coroutine's first frame into the resumer.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{finish, position, prepare, resume, stack_pointer, suspend};

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{finish, position, prepare, resume, stack_pointer, suspend};

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
compile_error!("gorge-coroutine has a context switch for x86-64 and AArch64 only");

/// The function a coroutine starts in. It gets the first resume's word and the
/// address of the link word, and ends by [`finish`].
pub(crate) type Entry = unsafe extern "C" fn(arg: usize, base: *mut usize) -> !;
