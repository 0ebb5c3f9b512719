//! Tells valgrind where stacks lie, with the feature `valgrind`.
//!
//! * A [`Registration`] belongs to every stack that is in use: it registers the
//!   stack when made and removes it when dropped. Valgrind takes a stack pointer
//!   that jumps for a stack that grew or shrank, and marks the bytes between as
//!   new or as gone, unless it jumps to a stack that is registered.
//! * [`forget_frames`] makes a stack as good as new. What was popped counts as
//!   gone, but the next fiber's base is written, not pushed.
//!
//! Without the feature both are empty and cost nothing.
//!
//! A request is a sequence of instructions that does nothing on a processor
//! and that valgrind recognises as it translates. Sequences and numbers are
//! those of `valgrind.h` and `memcheck.h`, where they are declared stable.

use std::ptr::NonNull;

#[cfg(not(feature = "valgrind"))]
mod imp {
    use super::NonNull;

    /// Nobody to tell.
    pub(crate) struct Registration;

    impl Registration {
        #[inline(always)]
        pub(crate) fn new(_limit: NonNull<u8>, _top: NonNull<u8>) -> Registration {
            Registration
        }
    }

    #[inline(always)]
    pub(crate) fn forget_frames(_limit: *const u8, _top: *const u8) {}
}

#[cfg(feature = "valgrind")]
mod imp {
    use super::NonNull;
    use std::arch::asm;

    const STACK_REGISTER: usize = 0x1501;
    const STACK_DEREGISTER: usize = 0x1502;
    /// Of the tool memcheck: the second of the numbers that start with "MC".
    const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;

    /// A stack that valgrind knows, by the number it gave it.
    pub(crate) struct Registration(usize);

    impl Registration {
        /// Registers the stack from `limit` to `top`.
        pub(crate) fn new(limit: NonNull<u8>, top: NonNull<u8>) -> Registration {
            let (lowest, highest) = (limit.as_ptr() as usize, top.as_ptr() as usize - 1);
            Registration(request(STACK_REGISTER, lowest, highest))
        }
    }

    impl Drop for Registration {
        fn drop(&mut self) {
            request(STACK_DEREGISTER, self.0, 0);
        }
    }

    /// Makes the bytes from `limit` to `top` accessible, with no value.
    pub(crate) fn forget_frames(limit: *const u8, top: *const u8) {
        request(
            MAKE_MEM_UNDEFINED,
            limit as usize,
            top as usize - limit as usize,
        );
    }

    /// Makes a request with two arguments; 0 if nobody listens.
    #[inline(never)]
    fn request(number: usize, first: usize, second: usize) -> usize {
        let words = [number, first, second, 0, 0, 0];
        let answer;
        // SAFETY: four rotations by 128 bits in all leave the register as it
        // was, the last instruction moves a register to itself; valgrind reads
        // the six words and writes the answer.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") &raw const words,
                inlateout("rdx") 0usize => answer,
            );
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!(
                "ror x12, x12, #3",
                "ror x12, x12, #13",
                "ror x12, x12, #51",
                "ror x12, x12, #61",
                "orr x10, x10, x10",
                in("x4") &raw const words,
                inlateout("x3") 0usize => answer,
            );
        }
        answer
    }
}

pub(crate) use imp::{Registration, forget_frames};
