//! The closure that a goroutine runs, and then its result, in one place.
//!
//! Small ones are stored inline in the G, larger ones in a box. The types are
//! erased behind a [`Vtable`] that the spawn's monomorphisation provides; the
//! join handle knows the result's type statically.
//!
//! ```text
//!   Empty --put--> Closure --run--> Result --take / drop--> Empty
//!                     \--- discard ------^  (cancelled before its start)
//! ```

use crate::cancel::Cancelled;
use crate::error::Failure;
use std::mem::{MaybeUninit, align_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

const INLINE_BYTES: usize = 48;

/// Inline room for a closure or a result.
#[repr(C, align(8))]
struct Room([MaybeUninit<u8>; INLINE_BYTES]);

/// The operations of one spawned type.
struct Vtable {
    /// Both return whether the result is a panic.
    run: unsafe fn(*mut Room) -> bool,
    discard: unsafe fn(*mut Room, Failure) -> bool,
    failure: unsafe fn(*mut Room) -> Option<NonNull<Failure>>,
    drop_result: unsafe fn(*mut Room),
}

/// A goroutine's closure or result. Which one it is, its G knows.
#[repr(C)]
pub(crate) struct Task {
    vtable: Option<&'static Vtable>,
    room: Room,
}

impl Task {
    pub(crate) const fn empty() -> Task {
        Task {
            vtable: None,
            room: Room([MaybeUninit::uninit(); INLINE_BYTES]),
        }
    }

    /// Stores a closure in an empty task.
    pub(crate) fn put<F, T>(&mut self, f: F)
    where
        F: FnOnce() -> T,
    {
        // SAFETY: the room is empty, and the vtable is of these types.
        unsafe { store(&raw mut self.room, f) };
        self.vtable = Some(
            const {
                &Vtable {
                    run: run::<F, T>,
                    discard: discard::<F, T>,
                    failure: failure::<T>,
                    drop_result: drop_result::<T>,
                }
            },
        );
    }

    /// Runs the closure and leaves its result, panics and cancels included.
    /// Returns whether it is a panic.
    ///
    /// # Safety
    ///
    /// The task holds a closure; nobody else touches it meanwhile.
    #[must_use]
    pub(crate) unsafe fn run(task: *mut Task) -> bool {
        // SAFETY: the caller's contract. No reference to the task is held
        // while user code runs.
        unsafe { ((*task).vtable().run)(&raw mut (*task).room) }
    }

    /// Drops the closure unrun and leaves `failure` as the result. Returns
    /// whether that became a panic.
    ///
    /// # Safety
    ///
    /// As for [`run`](Task::run).
    #[must_use]
    pub(crate) unsafe fn discard(task: *mut Task, failure: Failure) -> bool {
        // SAFETY: the caller's contract.
        unsafe { ((*task).vtable().discard)(&raw mut (*task).room, failure) }
    }

    /// The failure that is the result, if it is one.
    ///
    /// # Safety
    ///
    /// The task holds a result, which stays while the caller looks.
    pub(crate) unsafe fn failure<'a>(task: *mut Task) -> Option<&'a Failure> {
        // SAFETY: the caller's contract.
        unsafe { ((*task).vtable().failure)(&raw mut (*task).room).map(|found| found.as_ref()) }
    }

    /// Drops the result.
    ///
    /// # Safety
    ///
    /// The task holds a result; nobody else touches it meanwhile.
    pub(crate) unsafe fn drop_result(task: *mut Task) {
        // SAFETY: the caller's contract.
        unsafe { ((*task).vtable().drop_result)(&raw mut (*task).room) }
    }

    /// Takes the result out.
    ///
    /// # Safety
    ///
    /// The task holds a result of type `T`, and is empty afterwards.
    pub(crate) unsafe fn take_result<T>(task: *mut Task) -> Result<T, Failure> {
        // SAFETY: the caller's contract.
        unsafe { load(&raw mut (*task).room) }
    }

    fn vtable(&self) -> &'static Vtable {
        match self.vtable {
            Some(vtable) => vtable,
            None => unreachable!("a task that was put"),
        }
    }
}

const fn is_inline<V>() -> bool {
    size_of::<V>() <= INLINE_BYTES && align_of::<V>() <= align_of::<Room>()
}

/// # Safety
///
/// The room is empty and writable.
unsafe fn store<V>(room: *mut Room, value: V) {
    // SAFETY: an inline value fits in size and alignment; a box's pointer does.
    unsafe {
        if is_inline::<V>() {
            room.cast::<V>().write(value);
        } else {
            room.cast::<Box<V>>().write(Box::new(value));
        }
    }
}

/// # Safety
///
/// The room holds a `V` that [`store`] put there, and is empty afterwards.
unsafe fn load<V>(room: *mut Room) -> V {
    // SAFETY: mirrors `store`.
    unsafe {
        if is_inline::<V>() {
            room.cast::<V>().read()
        } else {
            *room.cast::<Box<V>>().read()
        }
    }
}

/// Drops a value where it is: a large one may not fit on the caller's stack.
///
/// # Safety
///
/// As for [`load`].
unsafe fn drop_stored<V>(room: *mut Room) {
    // SAFETY: mirrors `store`.
    unsafe {
        if is_inline::<V>() {
            room.cast::<V>().drop_in_place();
        } else {
            room.cast::<Box<V>>().drop_in_place();
        }
    }
}

/// # Safety
///
/// The room holds an `F`.
unsafe fn run<F, T>(room: *mut Room) -> bool
where
    F: FnOnce() -> T,
{
    // SAFETY: the caller's contract; the closure leaves the room empty.
    unsafe {
        let result = if is_inline::<F>() {
            let f = room.cast::<F>().read();
            catch_unwind(AssertUnwindSafe(f))
        } else {
            // Called where it is: a large closure is not moved to the stack.
            let f: Box<dyn FnOnce() -> T> = room.cast::<Box<F>>().read();
            catch_unwind(AssertUnwindSafe(f))
        };
        let result = result.map_err(|payload| {
            if payload.is::<Cancelled>() {
                Failure::Cancelled
            } else {
                Failure::Panic(payload)
            }
        });
        let panicked = matches!(result, Err(Failure::Panic(_)));
        store::<Result<T, Failure>>(room, result);
        panicked
    }
}

/// # Safety
///
/// The room holds an `F`.
unsafe fn discard<F, T>(room: *mut Room, failure: Failure) -> bool
where
    F: FnOnce() -> T,
{
    // SAFETY: the caller's contract. A panic of the closure's destructor takes
    // the place of the failure.
    unsafe {
        let failure = match catch_unwind(AssertUnwindSafe(|| drop_stored::<F>(room))) {
            Ok(()) => failure,
            // A destructor that would wait is told of the cancel, too.
            Err(payload) if payload.is::<Cancelled>() => failure,
            Err(payload) => Failure::Panic(payload),
        };
        let panicked = matches!(failure, Failure::Panic(_));
        store::<Result<T, Failure>>(room, Err(failure));
        panicked
    }
}

/// # Safety
///
/// The room holds a result of type `T`.
unsafe fn failure<T>(room: *mut Room) -> Option<NonNull<Failure>> {
    // SAFETY: mirrors `store`; the result stays where it is.
    let result = unsafe {
        if is_inline::<Result<T, Failure>>() {
            &*room.cast::<Result<T, Failure>>()
        } else {
            &**room.cast::<Box<Result<T, Failure>>>()
        }
    };
    result.as_ref().err().map(NonNull::from)
}

/// # Safety
///
/// The room holds a result of type `T`.
unsafe fn drop_result<T>(room: *mut Room) {
    // SAFETY: the caller's contract.
    unsafe { drop_stored::<Result<T, Failure>>(room) }
}
