//! A stand-in for `std` with the few items that `src/arch/` and its probe name.
//!
//! No AArch64 standard library is needed to compile the context switch, only
//! the compiler's own built-ins under their usual paths. The lang items are
//! those without which rustc compiles nothing.

#![feature(no_core, lang_items, rustc_attrs, intrinsics, decl_macro, auto_traits)]
#![no_core]
#![rustc_coherence_is_core]
#![allow(internal_features)]

/// Checks nothing: a failed assertion would need all of `core::fmt`.
#[macro_export]
macro_rules! debug_assert_eq {
    ($($ignored:tt)*) => {};
}

#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}
#[lang = "legacy_receiver"]
pub trait LegacyReceiver {}
#[lang = "freeze"]
pub unsafe auto trait Freeze {}
#[lang = "copy"]
pub trait Copy: Sized {}

impl Copy for u64 {}
impl Copy for usize {}
impl Copy for f64 {}
impl<T: PointeeSized> Copy for *mut T {}

impl<T> *mut T {
    #[inline(always)]
    pub unsafe fn add(self, count: usize) -> *mut T {
        unsafe { intrinsics::offset(self, count) }
    }
    #[inline(always)]
    pub unsafe fn sub(self, count: usize) -> *mut T {
        unsafe { intrinsics::arith_offset(self, intrinsics::negated(count)) as *mut T }
    }
    #[inline(always)]
    pub unsafe fn write(self, value: T) {
        unsafe { intrinsics::volatile_store(self, value) }
    }
    #[inline(always)]
    pub unsafe fn read(self) -> T {
        unsafe { intrinsics::volatile_load(self) }
    }
    #[inline(always)]
    pub fn cast<U>(self) -> *mut U {
        self as *mut U
    }
}

mod intrinsics {
    #[rustc_intrinsic]
    pub unsafe fn offset<P, Delta>(pointer: P, count: Delta) -> P;
    #[rustc_intrinsic]
    pub unsafe fn arith_offset<T>(pointer: *const T, count: isize) -> *const T;
    #[rustc_intrinsic]
    pub unsafe fn volatile_load<T>(pointer: *const T) -> T;
    #[rustc_intrinsic]
    pub unsafe fn volatile_store<T>(pointer: *mut T, value: T);
    #[rustc_intrinsic]
    fn wrapping_sub<T: super::Copy>(a: T, b: T) -> T;

    #[inline(always)]
    pub fn negated(count: usize) -> isize {
        wrapping_sub(0, count as isize)
    }
    impl super::Copy for isize {}
}

pub mod arch {
    #[rustc_builtin_macro]
    pub macro asm("template", $(operands,)* $(options($(option),*))?) {}
    #[rustc_builtin_macro]
    pub macro naked_asm("template", $(operands,)* $(options($(option),*))?) {}
}
