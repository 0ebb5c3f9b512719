//! The four operations of `src/arch/` as functions that `driver.c` can call.
//!
//! The crate's files are compiled as they stand, so the compiler checks the asm
//! operands and allocates registers around them as it would in the crate.

#![feature(no_core, prelude_import)]
#![no_core]
#![allow(internal_features)]

#[macro_use]
extern crate std;
#[prelude_import]
#[allow(unused_imports, reason = "names found through a prelude do not count as uses")]
use std::prelude::*;

#[path = "../../src/arch/mod.rs"]
mod arch;
#[path = "../../src/valgrind.rs"]
mod valgrind;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_prepare(base: *mut usize, entry: arch::Entry) -> *mut u8 {
    unsafe { arch::prepare(base, entry) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_resume(
    sp: *mut u8,
    base: *mut usize,
    arg: usize,
    new_sp: *mut *mut u8,
) -> usize {
    unsafe {
        let (word, sp) = arch::resume(sp, base, arg);
        new_sp.write(sp);
        word
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_suspend(base: *mut usize, arg: usize) -> usize {
    unsafe { arch::suspend(base, arg) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_finish(base: *mut usize, arg: usize) -> ! {
    unsafe { arch::finish(base, arg) }
}

/// Holds more values in registers than there are while `$switch` runs, and
/// writes back to where they came from what it then holds.
macro_rules! holding {
    ($words:ident, $floats:ident, $switch:expr) => {{
        holding!(@read $words, a0 0 a1 1 a2 2 a3 3 a4 4 a5 5 a6 6 a7 7 a8 8 a9 9 b0 10 b1 11 b2 12
            b3 13 b4 14 b5 15 b6 16 b7 17 b8 18 b9 19 c0 20 c1 21 c2 22 c3 23 c4 24 c5 25 c6 26
            c7 27 c8 28 c9 29 d0 30 d1 31);
        holding!(@read $floats, e0 0 e1 1 e2 2 e3 3 e4 4 e5 5 e6 6 e7 7 e8 8 e9 9 f0 10 f1 11 f2 12
            f3 13 f4 14 f5 15 f6 16 f7 17 f8 18 f9 19 g0 20 g1 21 g2 22 g3 23 g4 24 g5 25 g6 26
            g7 27 g8 28 g9 29 h0 30 h1 31);
        let result = $switch;
        holding!(@write $words, a0 0 a1 1 a2 2 a3 3 a4 4 a5 5 a6 6 a7 7 a8 8 a9 9 b0 10 b1 11 b2 12
            b3 13 b4 14 b5 15 b6 16 b7 17 b8 18 b9 19 c0 20 c1 21 c2 22 c3 23 c4 24 c5 25 c6 26
            c7 27 c8 28 c9 29 d0 30 d1 31);
        holding!(@write $floats, e0 0 e1 1 e2 2 e3 3 e4 4 e5 5 e6 6 e7 7 e8 8 e9 9 f0 10 f1 11
            f2 12 f3 13 f4 14 f5 15 f6 16 f7 17 f8 18 f9 19 g0 20 g1 21 g2 22 g3 23 g4 24 g5 25
            g6 26 g7 27 g8 28 g9 29 h0 30 h1 31);
        result
    }};
    (@read $from:ident, $($name:ident $index:literal)*) => {
        $(let $name = $from.add($index).read();)*
    };
    (@write $to:ident, $($name:ident $index:literal)*) => {
        $($to.add($index).write($name);)*
    };
}

/// As [`probe_resume`], with 32 words and 32 floats live across the switch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_resume_holding(
    sp: *mut u8,
    base: *mut usize,
    arg: usize,
    new_sp: *mut *mut u8,
    words: *mut u64,
    floats: *mut f64,
) -> usize {
    unsafe {
        holding!(words, floats, {
            let (word, sp) = arch::resume(sp, base, arg);
            new_sp.write(sp);
            word
        })
    }
}

/// As [`probe_suspend`], with 32 words and 32 floats live across the switch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_suspend_holding(
    base: *mut usize,
    arg: usize,
    words: *mut u64,
    floats: *mut f64,
) -> usize {
    unsafe { holding!(words, floats, arch::suspend(base, arg)) }
}

/// Registers a stack with valgrind and removes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe_valgrind(
    limit: std::ptr::NonNull<u8>,
    top: std::ptr::NonNull<u8>,
) {
    let _registration = valgrind::Registration::new(limit, top);
}
