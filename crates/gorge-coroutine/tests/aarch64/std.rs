//! A stand-in for `std` with the few items that the code under test names.
//!
//! `src/arch/` and `src/valgrind.rs` need no AArch64 standard library, only the
//! compiler's own built-ins under their usual paths. The lang items here are
//! those without which rustc does not compile them.

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

#[lang = "drop"]
pub trait Drop {
    fn drop(&mut self);
}
#[lang = "drop_in_place"]
fn drop_in_place<T: PointeeSized>(_: *mut T) {}
#[lang = "sub"]
pub trait Sub<Other = Self> {
    type Output;
    fn sub(self, other: Other) -> Self::Output;
}

impl Copy for u64 {}
impl Copy for usize {}
impl Copy for isize {}
impl Copy for f64 {}
impl<T: PointeeSized> Copy for *mut T {}
impl<T: PointeeSized> Copy for *const T {}
impl<T: PointeeSized> LegacyReceiver for &T {}
impl<T: PointeeSized> LegacyReceiver for &mut T {}

impl Sub for usize {
    type Output = usize;
    fn sub(self, other: usize) -> usize {
        intrinsics::wrapping_sub(self, other)
    }
}

pub mod prelude {
    pub use crate::Drop;
}

pub mod ptr {
    #[repr(transparent)]
    pub struct NonNull<T>(*mut T);

    impl<T> super::Copy for NonNull<T> {}

    impl<T> NonNull<T> {
        pub fn as_ptr(self) -> *mut T {
            self.0
        }
    }
}

/// With the contracts of the methods of the same names in `std`; reads and
/// writes are volatile, so that the compiler keeps each where it stands.
impl<T> *mut T {
    pub unsafe fn add(self, count: usize) -> *mut T {
        // SAFETY: the caller's contract.
        unsafe { intrinsics::offset(self, count) }
    }
    pub unsafe fn sub(self, count: usize) -> *mut T {
        // SAFETY: the caller's contract.
        unsafe { intrinsics::offset(self, intrinsics::wrapping_sub(0, count as isize)) }
    }
    pub unsafe fn write(self, value: T) {
        // SAFETY: the caller's contract.
        unsafe { intrinsics::volatile_store(self, value) }
    }
    pub unsafe fn read(self) -> T {
        // SAFETY: the caller's contract.
        unsafe { intrinsics::volatile_load(self) }
    }
    pub fn cast<U>(self) -> *mut U {
        self as *mut U
    }
}

mod intrinsics {
    #[rustc_intrinsic]
    pub unsafe fn offset<Pointer, Count>(pointer: Pointer, count: Count) -> Pointer;
    #[rustc_intrinsic]
    pub unsafe fn volatile_load<T>(pointer: *const T) -> T;
    #[rustc_intrinsic]
    pub unsafe fn volatile_store<T>(pointer: *mut T, value: T);
    #[rustc_intrinsic]
    pub fn wrapping_sub<T: super::Copy>(a: T, b: T) -> T;
}

pub mod arch {
    #[rustc_builtin_macro]
    pub macro asm("template", $(operands,)* $(options($(option),*))?) {}
    #[rustc_builtin_macro]
    pub macro naked_asm("template", $(operands,)* $(options($(option),*))?) {}
}
