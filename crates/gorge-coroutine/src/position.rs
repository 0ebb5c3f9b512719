//! Where code that waits on another stack will continue: what an unwinder starts from.
//!
//! A suspended [`Fiber`](crate::fiber::Fiber), and whoever waits for a
//! [`call_on`](crate::call_on()), left the same few words on top of their stacks;
//! the architecture's file draws them.

use crate::{arch, call};

/// The registers that an unwinder needs of code that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The address of the instruction to continue at.
    pub address: usize,
    /// The stack pointer that the code around the switch has there.
    pub stack_pointer: usize,
    /// The frame pointer register.
    pub frame_pointer: usize,
}

/// Bytes above a saved stack pointer that [`Position::read`] reads at most.
pub const POSITION_BYTES: usize = 32;

impl Position {
    /// Reads what was saved at `stack_pointer`.
    ///
    /// # Safety
    ///
    /// `stack_pointer` is a suspended fiber's, or that of a [`caller`]: nothing
    /// runs on that stack meanwhile.
    pub unsafe fn read(stack_pointer: *const u8) -> Position {
        // SAFETY: the caller's contract: the words of the switch are there.
        unsafe { arch::position(stack_pointer.cast()) }
    }
}

/// The saved stack pointer of whoever waits for a [`call_on`](crate::call_on())
/// that runs on the stack with this top; it lies on the stack of the caller.
///
/// # Safety
///
/// `top` is the [top](crate::Stack::top) of a stack on which such a call has
/// begun and not ended, and what it runs is suspended.
pub unsafe fn caller(top: *const u8) -> *const u8 {
    // SAFETY: the caller's contract.
    unsafe { call::link_of(top) }
}
