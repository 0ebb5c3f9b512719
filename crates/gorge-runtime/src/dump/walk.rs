//! Walking the stacks of a parked goroutine by the tables of [`modules`].
//!
//! ```text
//!   a segment of `stack::grow`      its own stack
//!     innermost frame                 the caller of the segment
//!     ...                             ...
//!     the call on the segment --->    the goroutine's entry
//! ```
//!
//! A walk starts where the goroutine left its stack. Where a stack ends, the next
//! one begins at the position that was saved when it was left: the caller of a
//! segment, or, of a pinned goroutine, the place where it was pinned. So one stack
//! whose tables are broken costs the rest of that stack only. No read leaves the
//! part of the stack that is in use, and none allocates.
//!
//! A segment is walked only if the goroutine is on it. A coroutine may have been left
//! on one, and been resumed by somebody else: then it is still listed, but no more
//! ours to look into.

use super::addresses::Trail;
use super::modules;
use crate::goroutine::Run;
use crate::stack::Extent;
use framehop::{
    CacheNative, MustNotAllocateDuringUnwind, UnwindRegsNative, Unwinder, UnwinderNative,
};
use gorge_coroutine::position::{self, POSITION_BYTES, Position};
use std::ptr;

/// Walks any number of goroutines, by the modules that are loaded now.
pub(super) struct Walker {
    unwinder: UnwinderNative<Vec<u8>, MustNotAllocateDuringUnwind>,
    cache: CacheNative<MustNotAllocateDuringUnwind>,
}

impl Walker {
    pub(super) fn new() -> Walker {
        let mut unwinder = UnwinderNative::new();
        for module in modules::loaded() {
            unwinder.add_module(module);
        }
        Walker {
            unwinder,
            cache: CacheNative::new_in(),
        }
    }

    /// Adds the frames of a goroutine to `trail`.
    ///
    /// # Safety
    ///
    /// `run` is the run part of a goroutine that is parked, off its stack, and
    /// claimed by the caller: nobody resumes it meanwhile.
    pub(super) unsafe fn walk(&mut self, run: *const Run, trail: &mut Trail) {
        // SAFETY: the caller's contract: what `run` holds stays as it is. A parked
        // goroutine has a stack, and `pinned`, if it is there, lies in its frames.
        unsafe {
            let Some(stack) = &(*run).stack else { return };
            let own = Extent::of(stack);
            let here = (*run).fiber.assume_init_ref().stack_pointer();
            let extras = (*run).extras.as_deref();
            let segments = extras.map_or(&[][..], |extras| &extras.grown.segments);
            let Some(pinned) = extras.and_then(|extras| extras.pinned) else {
                return self.walk_stacks(here, segments, own, trail);
            };
            // The second stack is listed like a segment of it.
            if let [second, segments @ ..] = segments {
                self.walk_stacks(here, segments, *second, trail);
            }
            let (fiber, segments) = pinned.as_ref().left();
            self.walk_stacks(fiber.stack_pointer(), segments, own, trail);
        }
    }

    /// # Safety
    ///
    /// As for [`walk`](Walker::walk); the goroutine left the innermost of
    /// `segments`, or `own` if there are none, with this stack pointer, and each of
    /// them was called from the one before.
    unsafe fn walk_stacks(
        &mut self,
        mut stack_pointer: *const u8,
        segments: &[Extent],
        own: Extent,
        trail: &mut Trail,
    ) {
        for segment in segments.iter().rev() {
            if !(segment.limit..segment.top).contains(&stack_pointer.addr()) {
                continue;
            }
            // SAFETY: the caller's contract; the goroutine is on the segment, so the
            // call that runs there is its own.
            stack_pointer = unsafe {
                self.walk_stack(stack_pointer, *segment, trail);
                position::caller(ptr::with_exposed_provenance(segment.top))
            };
        }
        // SAFETY: the caller's contract.
        unsafe { self.walk_stack(stack_pointer, own, trail) };
    }

    /// # Safety
    ///
    /// As for [`walk`](Walker::walk); the goroutine left the stack `of` with this
    /// stack pointer.
    unsafe fn walk_stack(&mut self, stack_pointer: *const u8, of: Extent, trail: &mut Trail) {
        let lowest = stack_pointer.addr();
        if lowest < of.limit || lowest.saturating_add(POSITION_BYTES) > of.top {
            return;
        }
        // SAFETY: the caller's contract; the saved words are on the stack.
        let position = unsafe { Position::read(stack_pointer) };
        let mut read = |address: u64| {
            let address = address as usize;
            let is_inside = address >= lowest && address <= of.top - size_of::<u64>();
            if !is_inside || !address.is_multiple_of(align_of::<u64>()) {
                return Err(());
            }
            // SAFETY: a word of the part of the stack that is in use, which is
            // mapped. The goroutine's own code writes none before it is resumed. A
            // waker may write its value into the frame of an operation, but the
            // tables name only where calls saved registers.
            Ok(unsafe { ptr::with_exposed_provenance::<u64>(address).read_volatile() })
        };
        let (unwinder, address) = (&self.unwinder, position.address as u64);
        let mut frames =
            unwinder.iter_frames(address, registers(&position), &mut self.cache, &mut read);
        while let Ok(Some(frame)) = frames.next() {
            if !trail.push(frame.address() as usize) {
                return;
            }
        }
        trail.end_stack();
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(position: &Position) -> UnwindRegsNative {
    UnwindRegsNative::new(
        position.address as u64,
        position.stack_pointer as u64,
        position.frame_pointer as u64,
    )
}

#[cfg(target_arch = "aarch64")]
fn registers(position: &Position) -> UnwindRegsNative {
    // The link register says nothing there: the code around a switch has saved it.
    UnwindRegsNative::new(
        0,
        position.stack_pointer as u64,
        position.frame_pointer as u64,
    )
}
