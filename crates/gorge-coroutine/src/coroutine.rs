//! The safe coroutine: create, resume, suspend, return, panic, drop.
//!
//! Values cross by pointer: the side that switches away leaves the value in
//! place and passes its address, the other side moves it out at once. The closure,
//! and later its result, live in a cell just below the fiber's base, so a
//! coroutine allocates nothing but its stack.
//!
//! ```text
//!            resume(input)                        drop
//!   Created ---------------> Suspended <-+  ---------------> unwound
//!      |        suspend(y) /      | resume(input)
//!      | drop: closure    +-------+
//!      v dropped                  | return / panic
//!   (gone)                        v
//!                              Finished
//! ```

use crate::fiber::{Fiber, Resumed, Suspender};
use crate::stack::{OwnedStack, Stack};
use crate::unwind::{self, ForcedUnwind};
use std::cell::Cell;
use std::io::Write;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, forget};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::thread;

/// What a resume gave: a value of a suspended coroutine, or its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoroutineResult<Yield, Return> {
    /// The coroutine called [`Yielder::suspend`] with this value.
    Yield(Yield),
    /// The coroutine's closure returned this value.
    Return(Return),
}

impl<Yield, Return> CoroutineResult<Yield, Return> {
    /// The value given to [`Yielder::suspend`], if that is how the resume ended.
    pub fn as_yield(self) -> Option<Yield> {
        match self {
            CoroutineResult::Yield(value) => Some(value),
            CoroutineResult::Return(_) => None,
        }
    }

    /// The closure's result, if that is how the resume ended.
    pub fn as_return(self) -> Option<Return> {
        match self {
            CoroutineResult::Yield(_) => None,
            CoroutineResult::Return(value) => Some(value),
        }
    }
}

/// A closure that can stop in the middle, on a stack of its own.
///
/// A coroutine belongs to its thread (`!Send`): its frames may hold values and
/// thread-local references that must not change threads.
///
/// Dropping a suspended coroutine unwinds it: destructors of its live values
/// run. See [`ForcedUnwind`].
///
/// # Examples
///
/// ```
/// use gorge_coroutine::{Coroutine, CoroutineResult};
///
/// let mut doubled = Coroutine::new(|yielder, mut input: i32| {
///     while input != 0 {
///         input = yielder.suspend(input * 2);
///     }
///     "done"
/// });
/// assert_eq!(doubled.resume(4), CoroutineResult::Yield(8));
/// assert_eq!(doubled.resume(5), CoroutineResult::Yield(10));
/// assert_eq!(doubled.resume(0), CoroutineResult::Return("done"));
/// ```
pub struct Coroutine<Input, Yield, Return, S: Stack = OwnedStack> {
    /// There unless the state is `Finished`.
    fiber: MaybeUninit<Fiber>,
    state: State,
    cell: NonNull<u8>,
    drop_closure: unsafe fn(NonNull<u8>),
    stack: ManuallyDrop<S>,
    types: PhantomData<fn(Input) -> CoroutineResult<Yield, Return>>,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<*mut ()>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Created,
    Suspended,
    // What comes below cannot be resumed.
    Running,
    Finished,
    /// Could not be unwound: its frames stay for ever.
    Leaked,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return, OwnedStack> {
    /// Creates a coroutine on a stack of its own with the default reserve.
    ///
    /// # Panics
    ///
    /// If no stack can be mapped. [`Coroutine::with_stack`] takes a stack that
    /// was obtained before, and leaves that error to the caller.
    pub fn new<F>(f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        match OwnedStack::new(crate::stack::DEFAULT_RESERVE) {
            Ok(stack) => Coroutine::with_stack(stack, f),
            Err(error) => panic!("no stack for a coroutine: {error}"),
        }
    }
}

impl<Input, Yield, Return, S: Stack> Coroutine<Input, Yield, Return, S> {
    /// Creates a coroutine that will run `f` on `stack`.
    ///
    /// # Panics
    ///
    /// If the closure and its result do not fit into a quarter of the stack.
    #[inline]
    pub fn with_stack<F>(stack: S, f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        // SAFETY: nothing that is `'static` is outlived.
        unsafe { Coroutine::with_borrowing(stack, f) }
    }

    /// As [`with_stack`](Coroutine::with_stack), for a closure that borrows.
    ///
    /// # Safety
    ///
    /// The coroutine ends, by itself or by its drop, before what its types and
    /// closure borrow does: it is not leaked.
    #[inline]
    pub(crate) unsafe fn with_borrowing<F>(stack: S, f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        // Nothing here needs the stack's address, for a panic's sake either, so it stays in
        // registers until it is in its place: a struct that is written by words, and then
        // copied in larger parts, waits until the words have left the store buffer.
        let stack = ManuallyDrop::new(stack);
        let Some(below) = Below::reserve::<Payload<F, Return>>(&*stack) else {
            refuse_stack::<S, Payload<F, Return>>(ManuallyDrop::into_inner(stack))
        };
        // SAFETY: the cell is aligned and lies inside the stack, which this
        // coroutine owns from here on; the fiber gets only what is below it.
        let fiber = unsafe {
            below.top.cast::<Payload<F, Return>>().write(Payload {
                closure: ManuallyDrop::new(f),
            });
            Fiber::new(&below, run::<F, Input, Yield, Return>)
        };
        Coroutine {
            fiber: MaybeUninit::new(fiber),
            state: State::Created,
            cell: below.top,
            drop_closure: drop_closure::<F, Return>,
            stack,
            types: PhantomData,
            thread: PhantomData,
        }
    }

    /// Runs the coroutine until it suspends, returns, or panics.
    ///
    /// # Panics
    ///
    /// A panic of the coroutine continues here. Resuming a coroutine that has
    /// finished, or one that is running, panics.
    #[inline]
    pub fn resume(&mut self, input: Input) -> CoroutineResult<Yield, Return> {
        if self.state > State::Suspended {
            self.refuse();
        }
        // The coroutine's side moves it out, at once.
        let input = ManuallyDrop::new(input);
        match self.switch((&raw const input).addr()) {
            Resumed::Suspended(word) => {
                // SAFETY: `suspend` passes the address of a value that it
                // leaves in place and forgets.
                CoroutineResult::Yield(unsafe { (word as *mut Yield).read() })
            }
            Resumed::Finished(_) => match self.take_result() {
                Ok(value) => CoroutineResult::Return(value),
                Err(panic) => resume_unwind(panic),
            },
        }
    }

    #[cold]
    fn refuse(&self) -> ! {
        match self.state {
            State::Running => panic!("this coroutine is already running"),
            _ => panic!("this coroutine has finished: it cannot be resumed"),
        }
    }

    /// Whether the coroutine has been resumed at least once.
    pub fn started(&self) -> bool {
        self.state != State::Created
    }

    /// Whether the coroutine has returned, panicked, or was unwound.
    pub fn done(&self) -> bool {
        self.state == State::Finished
    }

    /// Gives the memory of a suspended coroutine's unused stack pages back to
    /// the system. Does nothing in any other state.
    pub fn shrink(&mut self) {
        if self.state == State::Suspended {
            // SAFETY: the coroutine is suspended there, and `&mut self` keeps
            // it so.
            unsafe {
                let fiber = self.fiber.assume_init_ref();
                crate::stack::release_below(&*self.stack, fiber.stack_pointer());
            }
        }
    }

    /// Ends the coroutine now, as dropping it would: a suspended one is
    /// unwound, one that was not started drops its closure.
    ///
    /// # Panics
    ///
    /// A panic of a destructor during the unwinding continues here.
    pub fn force_unwind(&mut self) {
        match self.state {
            State::Created => {
                self.finish();
                // SAFETY: the closure was written at creation and not yet taken.
                unsafe { (self.drop_closure)(self.cell) }
            }
            State::Suspended => self.unwind_suspended(),
            State::Running => panic!("a running coroutine cannot be unwound from outside"),
            State::Finished | State::Leaked => {}
        }
    }

    /// Gives the stack back.
    ///
    /// # Panics
    ///
    /// If the coroutine has not finished.
    pub fn into_stack(mut self) -> S {
        assert!(
            self.done(),
            "the stack of a coroutine that has not finished cannot be taken"
        );
        // SAFETY: `self` is forgotten right after, so the stack moves out once.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        forget(self);
        stack
    }

    #[inline(always)]
    fn switch(&mut self, word: usize) -> Resumed {
        debug_assert!(self.state <= State::Suspended);
        self.state = State::Running;
        // SAFETY: the state said that the fiber exists and does not run; the
        // coroutine never leaves its thread.
        let resumed = unsafe { self.fiber.assume_init_mut().resume(word) };
        match resumed {
            Resumed::Suspended(_) => self.state = State::Suspended,
            Resumed::Finished(_) => self.finish(),
        }
        resumed
    }

    /// Marks the coroutine finished: no frame is live on its stack.
    fn finish(&mut self) {
        self.state = State::Finished;
        // SAFETY: called once, before the first resume or after the last.
        unsafe { self.fiber.assume_init_read().retire() }
    }

    /// Moves the closure's result out of the cell.
    fn take_result(&mut self) -> thread::Result<Return> {
        let cell = self.cell.cast::<Payload<(), Return>>().as_ptr();
        // SAFETY: `run` wrote the result before its last switch, all variants
        // of the union lie at the cell's address (`repr(C)`), and each
        // finished coroutine takes it once.
        unsafe { ManuallyDrop::take(&mut (*cell).result) }
    }

    fn unwind_suspended(&mut self) {
        if !unwind::can_unwind() {
            // Nothing can run the destructors: keep the frames for ever.
            self.state = State::Leaked;
            return;
        }
        for _ in 0..SWALLOWED_UNWINDS_MAX {
            match self.switch(0) {
                Resumed::Finished(_) => {
                    if let Err(panic) = self.take_result()
                        && !panic.is::<ForcedUnwind>()
                    {
                        resume_unwind(panic);
                    }
                    return;
                }
                Resumed::Suspended(word) => {
                    // SAFETY: as in `resume`; the value was given up to us.
                    drop(unsafe { (word as *mut Yield).read() });
                }
            }
        }
        // Not `eprintln`, which panics when nobody listens: what is on the stack may
        // borrow from the caller.
        let _ = writeln!(
            std::io::stderr(),
            "gorge: a coroutine swallowed {SWALLOWED_UNWINDS_MAX} unwinds; aborting"
        );
        std::process::abort();
    }
}

/// How often a coroutine that is being dropped may catch the unwinding and
/// suspend again before the process gives up on it.
const SWALLOWED_UNWINDS_MAX: usize = 32;

impl<Input, Yield, Return, S: Stack> Drop for Coroutine<Input, Yield, Return, S> {
    fn drop(&mut self) {
        self.force_unwind();
        if self.state == State::Finished {
            // SAFETY: no frame is live on the stack; dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.stack) }
        }
    }
}

/// The coroutine's side: suspends it, from anywhere below its closure.
pub struct Yielder<Input, Yield> {
    suspender: Suspender,
    unwinding: Cell<bool>,
    types: PhantomData<fn(Yield) -> Input>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    /// Gives `value` to the resumer and waits for the next resume's input.
    ///
    /// # Panics
    ///
    /// Unwinds with [`ForcedUnwind`] when the coroutine is dropped meanwhile,
    /// and again at every further call.
    #[inline]
    pub fn suspend(&self, value: Yield) -> Input {
        if self.unwinding.get() {
            refuse_in_destructor();
        }
        let value = ManuallyDrop::new(value);
        // SAFETY: the yielder lives on the fiber's stack and is not `Sync`, so
        // this runs there.
        let word = unsafe { self.suspender.suspend((&raw const value).addr()) };
        if word == 0 {
            self.unwinding.set(true);
            unwind::raise();
        }
        // SAFETY: a word that is not null is the address of the resumer's
        // input, which stays in place until the next switch and is left to us.
        unsafe { (word as *const Input).read() }
    }
}

/// A destructor suspends while the coroutine is being unwound: nobody will
/// resume it. A panic now would abort anyhow, with a worse message.
#[cold]
fn refuse_in_destructor() {
    if thread::panicking() {
        eprintln!("gorge: a destructor suspended a coroutine that is being dropped; aborting");
        std::process::abort();
    }
}

/// The cell below the fiber's base: first the closure, at the end its result.
#[repr(C)]
union Payload<F, Return> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<thread::Result<Return>>,
}

/// The part of a stack that lies below the cell.
struct Below {
    top: NonNull<u8>,
    limit: NonNull<u8>,
}

impl Below {
    /// Sets room for one `T` aside at the top of `stack`; `None` if it has too little.
    #[inline]
    fn reserve<T>(stack: &impl Stack) -> Option<Below> {
        let (top, limit) = (stack.top().as_ptr(), stack.limit());
        let size = top as usize - limit.as_ptr() as usize;
        if room_of::<T>() > size / 4 {
            return None;
        }
        let address = (top as usize - size_of::<T>()) & !(align_of::<T>().max(16) - 1);
        // SAFETY: at most a quarter of the stack below its top.
        let top = unsafe { NonNull::new_unchecked(top.sub(top as usize - address)) };
        Some(Below { top, limit })
    }
}

// SAFETY: a part of a stack, with the same guard below it.
unsafe impl Stack for Below {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        self.top
    }

    #[inline]
    fn limit(&self) -> NonNull<u8> {
        self.limit
    }
}

/// Bytes that a cell for `T` takes, at most.
const fn room_of<T>() -> usize {
    let align = if align_of::<T>() > 16 {
        align_of::<T>()
    } else {
        16
    };
    size_of::<T>().saturating_add(align)
}

#[cold]
#[inline(never)]
fn refuse_stack<S: Stack, T>(stack: S) -> ! {
    let size = stack.top().as_ptr() as usize - stack.limit().as_ptr() as usize;
    panic!(
        "a coroutine's closure and result take {} bytes, more than a quarter of its \
         stack of {size} bytes: box them, or use a larger stack",
        room_of::<T>()
    )
}

/// # Safety
///
/// `cell` holds a closure that was not taken; it is dropped once.
unsafe fn drop_closure<F, Return>(cell: NonNull<u8>) {
    // SAFETY: the caller's contract.
    unsafe { ManuallyDrop::drop(&mut (*cell.cast::<Payload<F, Return>>().as_ptr()).closure) }
}

/// The fiber's body: takes the closure from the cell, runs it, and leaves its
/// result or its panic there.
unsafe fn run<F, Input, Yield, Return>(word: usize, suspender: Suspender) -> usize
where
    F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
{
    // SAFETY: the first resume passes the address of its input, which is left
    // to us. The cell lies right above the fiber's base; it holds the closure,
    // which is taken here once and whose place then takes the result.
    unsafe {
        let input = (word as *const Input).read();
        let cell = suspender.top().cast::<Payload<F, Return>>().as_ptr();
        let f = ManuallyDrop::take(&mut (*cell).closure);
        let yielder = Yielder {
            suspender,
            unwinding: Cell::new(false),
            types: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| f(&yielder, input)));
        (&raw mut (*cell).result).write(ManuallyDrop::new(result));
    }
    0
}
