//! Deep recursion: how much stack is left, and continuing on a new segment.
//!
//! A segment is a stack of its own, on which [`grow`] calls its function. The
//! goroutine may wait there as anywhere: its position is then on the segment.
//! One segment is kept for the next call, by the goroutine or the thread, so
//! that a loop that crosses the boundary again and again maps nothing.

use crate::goroutine::{GRef, Run};
use crate::panics;
use crate::scheduler::current;
use gorge_coroutine::stack::pointer;
use gorge_coroutine::{OwnedStack, PooledStack, Stack, StackError, try_call_on};
use std::cell::Cell;

/// The stack, or the segment of it, that something runs on: the lowest usable
/// address, the end of the highest, and the bytes of its reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) limit: usize,
    /// Zero for a plain thread's own stack.
    pub(crate) top: usize,
    pub(crate) reserve: usize,
}

impl Extent {
    #[inline]
    pub(crate) fn of(stack: &PooledStack) -> Extent {
        Extent {
            limit: stack.limit().as_ptr() as usize,
            top: stack.top().as_ptr() as usize,
            reserve: stack.reserve(),
        }
    }
}

thread_local! {
    /// The extent of a plain OS thread: its own stack's, with a reserve of zero
    /// because std reports its overflow, or a segment's. A limit of zero until
    /// somebody asks.
    static EXTENT: Cell<Extent> = const { Cell::new(Extent { limit: 0, top: 0, reserve: 0 }) };
    /// The segment kept for a thread's next call.
    static SPARE: Cell<Option<OwnedStack>> = const { Cell::new(None) };
}

/// Bytes of stack that are left to the caller, before the guard page.
///
/// On a goroutine, of its stack's reserve or of the segment it runs on; on an
/// OS thread, of the thread's stack. Zero for a goroutine that is on neither, but
/// on a stack that somebody else gave it, as inside a coroutine.
///
/// # Examples
///
/// ```
/// assert!(gorge_runtime::stack::remaining() > 10_000);
/// ```
#[inline]
pub fn remaining() -> usize {
    let extent = extent();
    let left = pointer().saturating_sub(extent.limit);
    let is_elsewhere = extent.reserve != 0 && left > extent.reserve;
    if is_elsewhere { 0 } else { left }
}

/// Calls `f`, on a new segment of at least `bytes` bytes if fewer than
/// `red_zone` bytes of stack are left.
///
/// Call it at the entry of a recursive function: the recursion then goes as
/// deep as there is memory.
///
/// # Panics
///
/// A panic of `f` continues here, and so does a cancel. If no segment can be
/// had, the message says what to raise.
///
/// # Examples
///
/// ```
/// use gorge_runtime::stack;
///
/// fn depth(n: u32) -> u32 {
///     stack::grow(32 * 1024, 1 << 20, || if n == 0 { 0 } else { 1 + depth(n - 1) })
/// }
/// assert_eq!(depth(100_000), 100_000);
/// ```
#[inline]
pub fn grow<R>(red_zone: usize, bytes: usize, f: impl FnOnce() -> R) -> R {
    if remaining() >= red_zone {
        f()
    } else {
        on_segment(bytes, f)
    }
}

#[cold]
#[inline(never)]
fn on_segment<R>(bytes: usize, f: impl FnOnce() -> R) -> R {
    let result = try_on_segment(bytes, f);
    result.unwrap_or_else(|error| panic!("no stack segment of {bytes} bytes: {error}"))
}

/// As [`grow`], but calls `f` where it is when no segment can be had.
pub(crate) fn grow_if_possible(red_zone: usize, bytes: usize, f: impl Fn()) {
    if remaining() >= red_zone || try_on_segment(bytes, &f).is_err() {
        f();
    }
}

fn try_on_segment<R>(bytes: usize, f: impl FnOnce() -> R) -> Result<R, StackError> {
    match current::stack_owner() {
        Some(g) => on_goroutine_segment(g, bytes, f),
        None => on_thread_segment(bytes, f),
    }
}

/// What a goroutine has besides its stack once it has grown it.
#[derive(Default)]
pub(crate) struct Grown {
    /// The segments that it runs on, the latest last.
    pub(crate) segments: Vec<Extent>,
    /// A segment kept for the next call.
    spare: Option<PooledStack>,
}

/// `g` is the goroutine that calls this.
fn on_goroutine_segment<R>(g: GRef, bytes: usize, f: impl FnOnce() -> R) -> Result<R, StackError> {
    // SAFETY: the calling goroutine is alive, and its run part is its own; no
    // reference into that is held across `f`.
    let (id, run) = unsafe { (g.as_ref().id(), g.as_ref().run.get()) };
    // SAFETY: as above.
    let grown = unsafe { &mut (*run).extras.get_or_insert_default().grown };
    let segment = match grown.spare.take() {
        Some(segment) if segment.reserve() >= bytes => segment,
        _ => match current::machine() {
            Some(machine) => machine.shared().segments.take(bytes)?,
            None => unreachable!("a goroutine runs on a machine"),
        },
    };
    let depth = grown.segments.len();
    grown.segments.push(Extent::of(&segment));
    // SAFETY: the segment is this call's, and stays mapped if this frame is
    // leaked, with the segment in it.
    let result = unsafe { try_call_on(&segment, f) };
    // A coroutine that was left in `f` may have been resumed by another goroutine
    // of this thread, or be ended by the thread: then `g` is not ours to touch.
    // SAFETY: the goroutine that runs here is alive.
    if current::stack_owner() == Some(g) && unsafe { g.as_ref() }.id() == id {
        // SAFETY: it is the one that called, so as above.
        let grown = unsafe { &mut (*run).extras.get_or_insert_default().grown };
        grown.segments.truncate(depth);
        grown.spare = Some(segment);
    }
    Ok(result.unwrap_or_else(|panic| panics::resume(panic)))
}

fn on_thread_segment<R>(bytes: usize, f: impl FnOnce() -> R) -> Result<R, StackError> {
    // Without the spare, during a thread's last moments, each call maps its own.
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    let segment = match spare {
        Some(segment) if segment.reserve() >= bytes => segment,
        _ => OwnedStack::new(bytes)?,
    };
    let inner = Extent {
        limit: segment.limit().as_ptr() as usize,
        top: segment.top().as_ptr() as usize,
        reserve: segment.reserve(),
    };
    let outer = EXTENT.replace(inner);
    // SAFETY: the segment is this call's, and stays mapped if this frame is
    // leaked, with the segment in it.
    let result = unsafe { try_call_on(&segment, f) };
    EXTENT.set(outer);
    // During a thread's last moments the segment is dropped with the closure.
    let _ = SPARE.try_with(|spare| spare.set(Some(segment)));
    Ok(result.unwrap_or_else(|panic| panics::resume(panic)))
}

/// The extent that the caller runs on. Reads memory of this thread only, so
/// that a signal handler may ask, once somebody else has.
#[inline]
pub(crate) fn extent() -> Extent {
    match current::stack_owner() {
        // SAFETY: the goroutine that runs on this thread is alive, and its run
        // part changes by its own code only.
        Some(g) => unsafe { goroutine_extent(g.as_ref().run.get()) },
        None => thread_extent(),
    }
}

/// Not inlined, so that a goroutine's code has no address of a thread-local variable.
#[inline(never)]
fn thread_extent() -> Extent {
    let known = EXTENT.get();
    if known.limit != 0 {
        known
    } else {
        find_thread_extent()
    }
}

/// # Safety
///
/// `run` is the run part of a goroutine, whose own code calls this, or is
/// interrupted by a signal.
#[inline]
unsafe fn goroutine_extent(run: *const Run) -> Extent {
    // SAFETY: the caller's contract.
    let (extras, stack) = unsafe { (&(*run).extras, &(*run).stack) };
    let inner = extras
        .as_ref()
        .and_then(|extras| extras.grown.segments.last());
    match (inner, stack) {
        (Some(inner), _) => *inner,
        (None, Some(stack)) => Extent::of(stack),
        (None, None) => unreachable!("a goroutine that runs has a stack"),
    }
}

/// The segment that a plain thread runs on, if it does; for a signal handler.
pub(crate) fn thread_segment() -> Option<Extent> {
    let extent = EXTENT.get();
    (extent.reserve != 0).then_some(extent)
}

#[cold]
fn find_thread_extent() -> Extent {
    let extent = Extent {
        limit: thread_limit().unwrap_or(1),
        top: 0,
        reserve: 0,
    };
    EXTENT.set(extent);
    extent
}

/// The lowest usable address of this thread's stack.
fn thread_limit() -> Option<usize> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are initialised by the first call, when it
    // succeeds, and destroyed by the last.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let attributes = attributes.as_mut_ptr();
        let found = libc::pthread_attr_getstack(attributes, &mut low, &mut size) == 0
            && libc::pthread_attr_getguardsize(attributes, &mut guard) == 0;
        libc::pthread_attr_destroy(attributes);
        found.then(|| low as usize + guard)
    }
}
