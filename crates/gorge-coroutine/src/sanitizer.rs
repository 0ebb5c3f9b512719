//! Tells ThreadSanitizer and AddressSanitizer about stack switches.
//!
//! A [`Record`] sits in every coroutine's base. The four hooks bracket the two
//! directions of a switch; without `--cfg gorge_tsan` or `--cfg gorge_asan`
//! the record is empty and the hooks compile to nothing. The hooks are
//! `inline(always)`: ThreadSanitizer keeps a shadow stack per fibre, and a
//! function entered on one fibre must not be left on another.

#[cfg(not(any(gorge_tsan, gorge_asan)))]
mod imp {
    /// No sanitizer: nothing to remember.
    pub(crate) struct Record;

    impl Record {
        pub(crate) fn new() -> Record {
            Record
        }
        #[inline(always)]
        pub(crate) unsafe fn before_resume(&mut self, _limit: *const u8, _top: *const u8) {}
        #[inline(always)]
        pub(crate) unsafe fn after_resume(&mut self) {}
        #[inline(always)]
        pub(crate) unsafe fn before_suspend(&mut self, _for_good: bool) {}
        #[inline(always)]
        pub(crate) unsafe fn after_suspend(&mut self) {}
        pub(crate) unsafe fn destroy(&mut self) {}
    }
}

#[cfg(gorge_tsan)]
mod imp {
    use std::ffi::{c_uint, c_void};

    unsafe extern "C" {
        fn __tsan_get_current_fiber() -> *mut c_void;
        fn __tsan_create_fiber(flags: c_uint) -> *mut c_void;
        fn __tsan_destroy_fiber(fiber: *mut c_void);
        fn __tsan_switch_to_fiber(fiber: *mut c_void, flags: c_uint);
    }

    /// The fibre of this stack, that of its resumer, and the one to go on on, which
    /// is another's when the fiber suspended inside a fiber that it had resumed.
    pub(crate) struct Record {
        own: *mut c_void,
        resumer: *mut c_void,
        resume_at: *mut c_void,
    }

    impl Record {
        pub(crate) fn new() -> Record {
            // SAFETY: creating a fibre has no precondition.
            let own = unsafe { __tsan_create_fiber(0) };
            Record {
                own,
                resumer: std::ptr::null_mut(),
                resume_at: own,
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn before_resume(&mut self, _limit: *const u8, _top: *const u8) {
            // SAFETY: `own` lives until `destroy`, and a fiber that this one had resumed
            // waits for it; the switch follows at once.
            unsafe {
                self.resumer = __tsan_get_current_fiber();
                __tsan_switch_to_fiber(self.resume_at, 0);
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn after_resume(&mut self) {}
        #[inline(always)]
        pub(crate) unsafe fn before_suspend(&mut self, _for_good: bool) {
            // SAFETY: the resumer waits in `resume`, so its fibre exists.
            unsafe {
                self.resume_at = __tsan_get_current_fiber();
                __tsan_switch_to_fiber(self.resumer, 0);
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn after_suspend(&mut self) {}
        pub(crate) unsafe fn destroy(&mut self) {
            // SAFETY: called once, by the owner, while another fibre runs.
            unsafe { __tsan_destroy_fiber(self.own) }
        }
    }
}

#[cfg(all(gorge_asan, not(gorge_tsan)))]
mod imp {
    use std::ffi::c_void;
    use std::ptr::null_mut;

    unsafe extern "C" {
        pub(super) fn __sanitizer_start_switch_fiber(
            save: *mut *mut c_void,
            bottom: *const c_void,
            size: usize,
        );
        pub(super) fn __sanitizer_finish_switch_fiber(
            fake: *mut c_void,
            old_bottom: *mut *const c_void,
            old_size: *mut usize,
        );
        fn __asan_unpoison_memory_region(address: *const c_void, size: usize);
    }

    /// Fake stacks of both sides, and the bounds of the resumer's stack.
    pub(crate) struct Record {
        own_fake: *mut c_void,
        resumer_fake: *mut c_void,
        resumer_bottom: *const c_void,
        resumer_size: usize,
        /// The fiber's own stack.
        bounds: (*const u8, *const u8),
        /// The stack that it goes on on; null before its first resume.
        resume_at: (*const u8, *const u8),
    }

    impl Record {
        pub(crate) fn new() -> Record {
            Record {
                own_fake: null_mut(),
                resumer_fake: null_mut(),
                resumer_bottom: null_mut(),
                resumer_size: 0,
                bounds: (std::ptr::null(), std::ptr::null()),
                resume_at: (std::ptr::null(), std::ptr::null()),
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn before_resume(&mut self, limit: *const u8, top: *const u8) {
            self.bounds = (limit, top);
            if self.resume_at.0.is_null() {
                self.resume_at = (limit, top);
            }
            let (low, high) = self.resume_at;
            let size = high as usize - low as usize;
            // SAFETY: the bounds are those of a live mapping.
            unsafe {
                __sanitizer_start_switch_fiber(&raw mut self.resumer_fake, low.cast(), size);
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn after_resume(&mut self) {
            let (mut bottom, mut size) = (std::ptr::null(), 0);
            // SAFETY: back on the stack that called `before_resume`.
            unsafe {
                __sanitizer_finish_switch_fiber(self.resumer_fake, &raw mut bottom, &raw mut size);
            }
            // The fiber may have suspended on another stack, in a `call_on`: it
            // goes on there.
            let bottom = bottom.cast::<u8>();
            self.resume_at = (bottom, bottom.wrapping_add(size));
        }
        #[inline(always)]
        pub(crate) unsafe fn before_suspend(&mut self, for_good: bool) {
            let save = if for_good {
                null_mut()
            } else {
                &raw mut self.own_fake
            };
            // SAFETY: the resumer's bounds were recorded on entry; a null
            // `save` tells the sanitizer to free this stack's fake stack.
            unsafe {
                __sanitizer_start_switch_fiber(save, self.resumer_bottom, self.resumer_size);
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn after_suspend(&mut self) {
            // SAFETY: on the coroutine's own stack again (or for the first time).
            unsafe {
                __sanitizer_finish_switch_fiber(
                    self.own_fake,
                    &raw mut self.resumer_bottom,
                    &raw mut self.resumer_size,
                );
            }
        }
        pub(crate) unsafe fn destroy(&mut self) {
            let (limit, top) = self.bounds;
            if !limit.is_null() {
                // SAFETY: the stack is about to be recycled; no frame is live on it.
                unsafe {
                    __asan_unpoison_memory_region(limit.cast(), top as usize - limit as usize)
                }
            }
        }
    }
}

pub(crate) use call::Call;
pub(crate) use imp::Record;

#[cfg(not(all(gorge_asan, not(gorge_tsan))))]
mod call {
    #[cfg(gorge_tsan)]
    unsafe extern "C" {
        fn __tsan_func_exit();
    }

    /// A call on another stack: no fibre of its own for ThreadSanitizer.
    pub(crate) struct Call;

    impl Call {
        pub(crate) const fn new() -> Call {
            Call
        }
        #[inline(always)]
        pub(crate) unsafe fn leave(&mut self, _limit: *const u8, _top: *const u8) {}
        #[inline(always)]
        pub(crate) unsafe fn arrive(&mut self) {}
        /// The callee does not return but switches away: its entry on the
        /// shadow stack, which both sides share, is taken off here.
        #[inline(always)]
        pub(crate) unsafe fn go_back(&mut self) {
            #[cfg(gorge_tsan)]
            // SAFETY: pairs with the entry of the function that calls this.
            unsafe {
                __tsan_func_exit();
            }
        }
        #[inline(always)]
        pub(crate) unsafe fn back(&mut self) {}
    }
}

#[cfg(all(gorge_asan, not(gorge_tsan)))]
mod call {
    use super::imp::{__sanitizer_finish_switch_fiber, __sanitizer_start_switch_fiber};
    use std::ffi::c_void;
    use std::ptr::{null, null_mut};

    /// The caller's fake stack and bounds, while a call on another stack lasts.
    pub(crate) struct Call {
        fake: *mut c_void,
        bottom: *const c_void,
        size: usize,
    }

    impl Call {
        pub(crate) const fn new() -> Call {
            Call {
                fake: null_mut(),
                bottom: null(),
                size: 0,
            }
        }
        /// Caller, before the switch.
        #[inline(always)]
        pub(crate) unsafe fn leave(&mut self, limit: *const u8, top: *const u8) {
            let size = top as usize - limit as usize;
            // SAFETY: the bounds are those of a live mapping.
            unsafe { __sanitizer_start_switch_fiber(&raw mut self.fake, limit.cast(), size) }
        }
        /// Callee, first of all.
        #[inline(always)]
        pub(crate) unsafe fn arrive(&mut self) {
            // SAFETY: just switched to a stack without a fake one.
            unsafe {
                __sanitizer_finish_switch_fiber(
                    null_mut(),
                    &raw mut self.bottom,
                    &raw mut self.size,
                );
            }
        }
        /// Callee, last of all.
        #[inline(always)]
        pub(crate) unsafe fn go_back(&mut self) {
            // SAFETY: the caller's bounds, as `arrive` learnt them.
            unsafe { __sanitizer_start_switch_fiber(null_mut(), self.bottom, self.size) }
        }
        /// Caller, after the switch.
        #[inline(always)]
        pub(crate) unsafe fn back(&mut self) {
            // SAFETY: back on the stack that called `leave`.
            unsafe { __sanitizer_finish_switch_fiber(self.fake, null_mut(), null_mut()) }
        }
    }
}
