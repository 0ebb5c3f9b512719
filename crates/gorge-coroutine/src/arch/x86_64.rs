//! The context switch for x86-64 under the System V calling convention.
//!
//! The asm blocks declare every register but `rbx`, `rbp` and `rsp` clobbered,
//! so the compiler saves exactly what is live, and the switch itself saves two
//! registers and an address. `rbx` and `rbp` cannot be declared: the compiler
//! reserves them. The floating-point control words (MXCSR, x87) are left
//! alone, as a call would leave them: they belong to the thread.
//!
//! A stack that has not started (`base` is 16-byte aligned):
//!
//! ```text
//!   base      link: stack pointer of the resumer, while running
//!   base -  8 entry
//!   base - 16 address of `first_frame`          <- sp
//! ```
//!
//! A suspended stack, and the resumer's stack while the coroutine runs, both
//! end in the same three words, so one rule describes both to an unwinder:
//!
//! ```text
//!   sp + 16   rbp
//!   sp +  8   rbx
//!   sp        address to continue at
//! ```
//!
//! Branch prediction: both directions jump, and neither calls nor returns, so
//! the processor's return stack is left as it is. A coroutine that suspends
//! some calls deep leaves those calls' return addresses there, and the next
//! coroutine to be resumed, often one that waits in the same code, finds them
//! right for its own returns. With `call` and `ret` instead, the resumed side's
//! first return and the next suspend would both be mispredicted.

use super::Entry;
use crate::position::Position;
use std::arch::{asm, naked_asm};

/// Prepares the stack below `base` to start in `entry` at the first [`resume`].
///
/// # Safety
///
/// `base` is 16-byte aligned, with 16 writable bytes below it that nobody uses.
pub(crate) unsafe fn prepare(base: *mut usize, entry: Entry) -> *mut u8 {
    debug_assert_eq!(base as usize % 16, 0);
    // SAFETY: the caller gives the two words below `base` to this function.
    unsafe {
        base.sub(1).write(entry as usize);
        base.sub(2).write(first_frame as *const () as usize);
        base.sub(2).cast()
    }
}

/// Switches to the stack at `sp`, whose link word is `base`, passing `arg`.
///
/// Returns the word that the coroutine gave back, and its new stack pointer:
/// null when its entry function has returned.
///
/// # Safety
///
/// `sp` came from [`prepare`] or from the last `resume` of the same stack, for
/// the same `base`, and has not been resumed since. What the coroutine runs
/// must be sound to run here, on this thread, now.
#[inline(always)]
pub(crate) unsafe fn resume(sp: *mut u8, base: *mut usize, arg: usize) -> (usize, *mut u8) {
    let (result, new_sp);
    // SAFETY: the block restores rsp, rbx and rbp when control comes back and
    // declares all else clobbered; the caller answers for the other stack.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rdx], rsp",
            "mov rsp, rsi",
            "pop rax",
            "jmp rax",
            "2:",
            "pop rbx",
            "pop rbp",
            inlateout("rdi") arg => result,
            inlateout("rsi") sp => new_sp,
            inlateout("rdx") base => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    (result, new_sp)
}

/// Leaves this stack for the resumer's, passing `arg`; returns the word of the
/// next [`resume`].
///
/// # Safety
///
/// Runs on the stack whose link word is `base`, inside a [`resume`] of it.
#[inline(always)]
pub(crate) unsafe fn suspend(base: *mut usize, arg: usize) -> usize {
    let result;
    // SAFETY: `base` holds the resumer's stack pointer while this stack runs,
    // and the block restores rsp, rbx and rbp when it is resumed.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            // The resumer gets this stack pointer as the second result.
            "mov rsi, rsp",
            "mov rsp, [rdx]",
            "pop rax",
            "jmp rax",
            "2:",
            "pop rbx",
            "pop rbp",
            inlateout("rdi") arg => result,
            inlateout("rdx") base => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    result
}

/// Leaves this stack for the last time, passing `arg` to the resumer.
///
/// # Safety
///
/// As for [`suspend`]; and nothing on this stack is needed any more.
#[inline(always)]
pub(crate) unsafe fn finish(base: *mut usize, arg: usize) -> ! {
    // SAFETY: as in `suspend`; nobody comes back here.
    unsafe {
        asm!(
            // No stack pointer: this coroutine has ended.
            "xor esi, esi",
            "mov rsp, [rdx]",
            "pop rax",
            "jmp rax",
            in("rdi") arg,
            in("rdx") base,
            options(noreturn),
        );
    }
}

/// The frame below a coroutine's entry function.
///
/// Its unwind information is what links stacks: the canonical frame address is
/// computed from the link word (kept in `rbx` for the coroutine's whole life),
/// and return address, `rbx` and `rbp` are found in the resumer's three words.
/// It is marked a signal frame because debuggers accept a caller at a higher
/// or unrelated address only from those.
#[unsafe(naked)]
unsafe extern "C" fn first_frame() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // DW_CFA_def_cfa_expression, 5 bytes: breg3(rbx) 0, deref, plus_uconst 24.
        ".cfi_escape 0x0f, 5, 0x73, 0, 0x06, 0x23, 24",
        ".cfi_offset rip, -24",
        ".cfi_offset rbx, -16",
        ".cfi_offset rbp, -8",
        "mov rbx, rdx",
        "mov rsi, rdx",
        "pop rax",
        // Frame-pointer chains end here: the next link lies on another stack.
        "xor ebp, ebp",
        "call rax",
        // An entry never returns.
        "ud2",
        ".cfi_endproc",
    )
}

/// What the three words at `sp` say.
///
/// # Safety
///
/// The stack is suspended, or its owner waits in [`resume`], with this pointer.
pub(crate) unsafe fn position(sp: *const usize) -> Position {
    // SAFETY: the caller's contract.
    let [address, _, frame_pointer] = unsafe { sp.cast::<[usize; 3]>().read_volatile() };
    Position {
        address,
        stack_pointer: sp.addr() + 24,
        frame_pointer,
    }
}

/// The stack pointer of the caller. Not the address of a local: a sanitizer may
/// keep locals elsewhere.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
