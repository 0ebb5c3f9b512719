//! Panics between stacks: the payload that unwinds a coroutine from outside.
//!
//! A suspended coroutine that must go is unwound, not freed: its frames may
//! own values that others point to. The unwinding is an ordinary one with
//! [`ForcedUnwind`] as payload, raised where the coroutine was suspended, and
//! it does not call the panic hook.

/// The payload of the unwinding that ends a dropped coroutine.
///
/// `catch_unwind` in the coroutine's code sees it. Code that swallows it gets
/// it again at the next suspend.
#[derive(Debug)]
pub struct ForcedUnwind(());

/// Unwinds the calling stack with [`ForcedUnwind`], past the panic hook.
pub(crate) fn raise() -> ! {
    std::panic::resume_unwind(Box::new(ForcedUnwind(())))
}

/// Whether stacks can be unwound in this build.
pub(crate) const fn can_unwind() -> bool {
    cfg!(panic = "unwind")
}
