//! The context switch for AArch64 under the procedure call standard AAPCS64.
//!
//! The asm blocks declare every register but `x19`, `x29` and `sp` clobbered,
//! so the compiler saves exactly what is live, and the switch itself saves two
//! registers and an address. `x19` and `x29` cannot be declared: the compiler
//! reserves them. `x30` and all of `v0` to `v31` are in the ABI's clobbers:
//! a call keeps the low halves of `v8` to `v15`, this switch keeps nothing, and
//! the surrounding function saves them for its own caller. `x18` is in
//! them where it is an ordinary register; where the platform reserves it, it
//! belongs to the thread, as do FPCR, FPSR and TPIDR_EL0: they are left alone,
//! as a call would leave them.
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
//! end in the same four words, so one rule describes both to an unwinder:
//!
//! ```text
//!   sp + 24   nothing: `sp` stays 16-byte aligned, or the processor traps
//!   sp + 16   x29
//!   sp +  8   x19
//!   sp        address to continue at
//! ```
//!
//! Whoever switches away leaves `sp` at these words, and whoever is switched
//! to takes them off: a prepared stack ends in only two.
//!
//! Branch prediction: both directions are a `br`, and neither `blr` nor `ret`,
//! so the processor's return stack is left as it is. A coroutine that suspends
//! some calls deep leaves those calls' return addresses there, and the next
//! coroutine to be resumed, often one that waits in the same code, finds them
//! right for its own returns.
//!
//! Branch target identification: an indirect branch into a guarded page must
//! land on a `bti`, so both landing places start with `hint #36`, which is
//! `bti j` to processors that know it and nothing to the others.
//!
//! Pointer authentication: compilers sign return addresses with `sp` as the
//! modifier. Frames never move and each stack keeps its own `sp`, so what was
//! signed before a switch is authenticated after it with the same modifier. The
//! address to continue at is not signed: it is no return address, and `br` does
//! not authenticate. A shadow call stack in `x18` is not switched, so builds
//! with one cannot use this crate.

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
    // SAFETY: the block restores sp, x19 and x29 when control comes back and
    // declares all else clobbered; the caller answers for the other stack.
    unsafe {
        asm!(
            "adr x17, 2f",
            "stp x17, x19, [sp, #-32]!",
            "str x29, [sp, #16]",
            // `str` cannot name sp as its source: there, the number means xzr.
            "mov x17, sp",
            "str x17, [x2]",
            "mov sp, x1",
            "ldr x17, [x1]",
            "br x17",
            "2:",
            "hint #36",
            "ldr x29, [sp, #16]",
            // The address was read by whoever came here.
            "ldp xzr, x19, [sp], #32",
            inlateout("x0") arg => result,
            inlateout("x1") sp => new_sp,
            inlateout("x2") base => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
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
    // and the block restores sp, x19 and x29 when it is resumed.
    unsafe {
        asm!(
            "adr x17, 2f",
            "stp x17, x19, [sp, #-32]!",
            "str x29, [sp, #16]",
            // The resumer gets this stack pointer as the second result.
            "mov x1, sp",
            "ldr x17, [x2]",
            "mov sp, x17",
            "ldr x17, [x17]",
            "br x17",
            "2:",
            "hint #36",
            "ldr x29, [sp, #16]",
            "ldp xzr, x19, [sp], #32",
            inlateout("x0") arg => result,
            inlateout("x2") base => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
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
            "mov x1, xzr",
            "ldr x17, [x2]",
            "mov sp, x17",
            "ldr x17, [x17]",
            "br x17",
            in("x0") arg,
            in("x2") base,
            options(noreturn),
        );
    }
}

/// The frame below a coroutine's entry function.
///
/// Its unwind information is what links stacks: the canonical frame address is
/// computed from the link word (kept in `x19` for the coroutine's whole life),
/// and return address, `x19` and `x29` are found in the resumer's four words.
/// The return address stands in the column of `x30`, unsigned: the switch wrote
/// it. It is marked a signal frame because debuggers accept a caller at a
/// higher or unrelated address only from those.
#[unsafe(naked)]
unsafe extern "C" fn first_frame() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // DW_CFA_def_cfa_expression, 5 bytes: breg19(x19) 0, deref, plus_uconst 32.
        ".cfi_escape 0x0f, 5, 0x83, 0, 0x06, 0x23, 32",
        ".cfi_offset x30, -32",
        ".cfi_offset x19, -24",
        ".cfi_offset x29, -16",
        "hint #36",
        "mov x19, x2",
        "mov x1, x2",
        "ldr x17, [sp, #8]",
        "add sp, sp, #16",
        // Frame-pointer chains end here: the next link lies on another stack.
        "mov x29, xzr",
        "blr x17",
        // An entry never returns.
        "udf #0",
        ".cfi_endproc",
    )
}

/// What the four words at `sp` say.
///
/// # Safety
///
/// The stack is suspended, or its owner waits in [`resume`], with this pointer.
pub(crate) unsafe fn position(sp: *const usize) -> Position {
    // SAFETY: the caller's contract.
    let [address, _, frame_pointer, _] = unsafe { sp.cast::<[usize; 4]>().read_volatile() };
    Position {
        address,
        stack_pointer: sp.addr() + 32,
        frame_pointer,
    }
}

/// The stack pointer of the caller. Not the address of a local: a sanitizer may
/// keep locals elsewhere.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
