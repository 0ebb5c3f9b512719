//! What a stack really uses: its high-water mark, and giving pages back.

use super::Stack;
use super::mapping::page_size;

/// Bytes below a stack pointer that code may use without moving it.
const RED_ZONE: usize = 128;

/// The stack's high-water mark: bytes from the lowest page in memory to the
/// top. It counts from the stack's first use, or from its last trim or
/// [`release_below`]. Costs a system call.
pub fn high_water<S: Stack>(stack: &S) -> usize {
    let page = page_size();
    let (limit, top) = (stack.limit().as_ptr(), stack.top().as_ptr() as usize);
    let pages = (top - limit as usize).div_ceil(page);
    let mut resident = vec![0u8; pages];
    // SAFETY: the range is mapped, and the vector has a byte for each page.
    let result = unsafe { libc::mincore(limit.cast(), pages * page, resident.as_mut_ptr().cast()) };
    if result != 0 {
        return 0;
    }
    match resident.iter().position(|&page| page & 1 != 0) {
        Some(lowest) => top - (limit as usize + lowest * page),
        None => 0,
    }
}

/// Gives the pages below the stack pointer of a suspended stack back to the
/// system. Their next use is a page fault.
///
/// Returns false, and does nothing, when the stack pointer does not lie on the
/// stack: code that was called on another stack suspends from there. Any library
/// may have called it.
///
/// # Safety
///
/// Nothing runs on the stack during the call. If `stack_pointer` lies on it, all
/// that is suspended there lies above.
pub unsafe fn release_below<S: Stack>(stack: &S, stack_pointer: *const u8) -> bool {
    let limit = stack.limit().as_ptr();
    let position = stack_pointer as usize;
    if !(limit as usize..stack.top().as_ptr() as usize).contains(&position) {
        return false;
    }
    let page = page_size();
    let end = (position - RED_ZONE) / page * page;
    if end > limit as usize {
        // SAFETY: by contract nothing below the stack pointer is in use; the
        // range is whole pages above the guard. A refusal is harmless.
        unsafe { libc::madvise(limit.cast(), end - limit as usize, libc::MADV_DONTNEED) };
    }
    true
}
