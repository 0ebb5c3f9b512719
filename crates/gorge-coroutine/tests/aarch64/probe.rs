//! The operations of `src/arch/` as functions that `driver.c` can call.
//!
//! The crate's files are compiled as they stand, so the compiler checks the asm
//! operands and allocates registers around them as it would in the crate.
//!
//! Every function passes its operation's `# Safety` on to the driver; those
//! that take `words` and `floats` want 32 of each.

#![feature(no_core, prelude_import)]
#![no_core]
#![allow(internal_features)]

#[macro_use]
extern crate std;
#[prelude_import]
#[allow(
    unused_imports,
    reason = "names found through a prelude do not count as uses"
)]
use std::prelude::*;

#[path = "../../src/arch/mod.rs"]
mod arch;
#[path = "../../src/valgrind.rs"]
mod valgrind;

use std::ptr::NonNull;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_prepare(base: *mut usize, entry: arch::Entry) -> *mut u8 {
    // SAFETY: the caller's contract.
    unsafe { arch::prepare(base, entry) }
}

#[unsafe(no_mangle)]
pub extern "C" fn probe_stack_pointer() -> usize {
    arch::stack_pointer()
}

/// What a resume gives, as C knows it.
#[repr(C)]
pub struct Resumed {
    word: usize,
    sp: *mut u8,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_resume(sp: *mut u8, base: *mut usize, arg: usize) -> Resumed {
    // SAFETY: the caller's contract.
    let (word, sp) = unsafe { arch::resume(sp, base, arg) };
    Resumed { word, sp }
}

/// A coroutine with the word for its next resume, as C knows it.
#[repr(C)]
pub struct Suspended {
    sp: *mut u8,
    base: *mut usize,
    arg: usize,
}

/// As [`probe_resume`]; holds no value across the switch, not even for the
/// result's sake, and so leaves its caller's `x19` to the switch to save.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_resume_at(from: *mut Suspended) -> Resumed {
    // SAFETY: the caller's contract; `from` is a coroutine of the driver's.
    let (word, sp) = unsafe { arch::resume((*from).sp, (*from).base, (*from).arg) };
    Resumed { word, sp }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_suspend(base: *mut usize, arg: usize) -> usize {
    // SAFETY: the caller's contract.
    unsafe { arch::suspend(base, arg) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_finish(base: *mut usize, arg: usize) -> ! {
    // SAFETY: the caller's contract.
    unsafe { arch::finish(base, arg) }
}

/// Holds more values in registers than there are while `$switch` runs, and
/// writes what it then holds back to where they came from.
macro_rules! holding {
    ($words:ident, $floats:ident, $switch:expr) => {
        holding!(@names $words, $floats, $switch,
            [a0 0 a1 1 a2 2 a3 3 a4 4 a5 5 a6 6 a7 7 b0 8 b1 9 b2 10 b3 11 b4 12 b5 13 b6 14 b7 15
             c0 16 c1 17 c2 18 c3 19 c4 20 c5 21 c6 22 c7 23 d0 24 d1 25 d2 26 d3 27 d4 28 d5 29
             d6 30 d7 31]
            [e0 0 e1 1 e2 2 e3 3 e4 4 e5 5 e6 6 e7 7 f0 8 f1 9 f2 10 f3 11 f4 12 f5 13 f6 14 f7 15
             g0 16 g1 17 g2 18 g3 19 g4 20 g5 21 g6 22 g7 23 h0 24 h1 25 h2 26 h3 27 h4 28 h5 29
             h6 30 h7 31])
    };
    (@names $words:ident, $floats:ident, $switch:expr,
        [$($word:ident $i:literal)*] [$($float:ident $j:literal)*]) => {{
        $(let $word = $words.add($i).read();)*
        $(let $float = $floats.add($j).read();)*
        let result = $switch;
        $($words.add($i).write($word);)*
        $($floats.add($j).write($float);)*
        result
    }};
}

/// As [`probe_resume`], with 32 words and 32 floats live across the switch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_resume_holding(
    sp: *mut u8,
    base: *mut usize,
    arg: usize,
    words: *mut u64,
    floats: *mut f64,
) -> Resumed {
    // SAFETY: the caller's contract.
    let (word, sp) = unsafe { holding!(words, floats, arch::resume(sp, base, arg)) };
    Resumed { word, sp }
}

/// As [`probe_suspend`], with 32 words and 32 floats live across the switch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_suspend_holding(
    base: *mut usize,
    arg: usize,
    words: *mut u64,
    floats: *mut f64,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { holding!(words, floats, arch::suspend(base, arg)) }
}

/// Tells valgrind of a stack, of the end of its use, and of its own end.
#[unsafe(no_mangle)]
pub extern "C" fn probe_valgrind(limit: NonNull<u8>, top: NonNull<u8>) {
    let _registration = valgrind::Registration::new(limit, top);
    valgrind::forget_frames(limit.as_ptr(), top.as_ptr());
}
