//! Values of which each goroutine has its own: [`goroutine_local!`](crate::goroutine_local).
//!
//! * [`LocalKey`]: what the macro declares.
//! * [`Locals`]: the values of one goroutine, or of one OS thread.
//!
//! A key gets a number when it is first used anywhere, which is its place in everybody's
//! [`Locals`]. Each value lies in a box of its own, so a list that grows leaves it where it is.
//!
//! Only the code of the goroutine touches its locals. No reference to the list lives while foreign
//! code runs (an initialiser, a destructor, the closure of `with`), since that may use locals, too.

use super::Run;
use crate::primitive::atomic::{AtomicU32, Ordering};
use crate::scheduler::current as machine;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// A value of which each goroutine has its own, declared by [`goroutine_local!`](crate::goroutine_local).
///
/// It is made when a goroutine first uses it, and dropped when that goroutine ends, on its stack and
/// before its result can be joined. On an OS thread it is the thread's own, and so it is in
/// [`blocking`](crate::blocking), which may run on a thread of its own.
///
/// Methods are those of [`std::thread::LocalKey`].
///
/// # Panics
///
/// All but [`try_with`](LocalKey::try_with) panic where the value was dropped already: in the
/// destructor of another one, while the goroutine ends. A panic of a destructor is shown by the panic
/// hook and changes nothing else.
pub struct LocalKey<T: Send + 'static> {
    init: fn() -> T,
    number: AtomicU32,
}

/// The value was dropped already: its goroutine, or thread, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

/// No key has this number.
const NONE: u32 = 0;
static LAST_NUMBER: AtomicU32 = AtomicU32::new(NONE);

impl<T: Send + 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn __new(init: fn() -> T) -> LocalKey<T> {
        LocalKey {
            init,
            number: AtomicU32::new(NONE),
        }
    }

    /// Calls `f` with this goroutine's value.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(AccessError) => panic!("{AccessError}; use `try_with` in destructors"),
        }
    }

    /// Calls `f` with this goroutine's value.
    ///
    /// # Errors
    ///
    /// If it was dropped already.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = self.value()?;
        // SAFETY: it stays until its goroutine's code has returned, or the thread ends, and is used
        // by one flow of control alone, if from several threads in turn: it is `Send`.
        Ok(f(unsafe { value.as_ref() }))
    }

    fn value(&'static self) -> Result<NonNull<T>, AccessError> {
        let number = self.number();
        let (locals, in_thread) = current_locals()?;
        // SAFETY: the list is that of who runs this, and nobody has a reference to it.
        match unsafe { (*locals).find(number) } {
            Entry::Value(value) => return Ok(value.address.cast()),
            Entry::Dropped => return Err(AccessError),
            Entry::Unset => {}
        }
        let value = Value::new((self.init)());
        // Where it was, or of the same goroutine: the initialiser may have moved it.
        let (locals, still_in_thread) = current_locals()?;
        debug_assert_eq!(
            in_thread, still_in_thread,
            "an initialiser returns where it was called"
        );
        // SAFETY: as above.
        match unsafe { (*locals).find(number) } {
            Entry::Unset => {}
            // The initialiser itself has used the key.
            Entry::Value(first) => {
                value.drop();
                return Ok(first.address.cast());
            }
            Entry::Dropped => {
                value.drop();
                return Err(AccessError);
            }
        }
        let address = value.address.cast();
        // SAFETY: as above.
        unsafe { (*locals).put(number, value) };
        Ok(address)
    }

    fn number(&self) -> usize {
        let mut number = self.number.load(Ordering::Relaxed);
        if number == NONE {
            let next = LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
            let raced =
                self.number
                    .compare_exchange(NONE, next, Ordering::Relaxed, Ordering::Relaxed);
            number = raced.map_or_else(|first| first, |_| next);
        }
        number as usize
    }
}

impl<T: Send + 'static> LocalKey<Cell<T>> {
    /// Sets this goroutine's value.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// A copy of this goroutine's value.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes this goroutine's value and leaves the default.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets this goroutine's value and returns the one before.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// These panic also if the value is borrowed, as [`RefCell`]'s methods do.
impl<T: Send + 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with this goroutine's value.
    #[track_caller]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with this goroutine's value, to change it.
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets this goroutine's value.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with(|cell| drop(cell.replace(value)));
    }

    /// Takes this goroutine's value and leaves the default.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets this goroutine's value and returns the one before.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: Send + 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("this goroutine's value was dropped already: the goroutine ends")
    }
}

impl Error for AccessError {}

/// Declares values of which each goroutine has its own, as [`std::thread_local!`] does for threads.
///
/// Each is a `static` [`LocalKey`](crate::goroutine::LocalKey). The values' types are `Send`: a
/// goroutine may change threads while it is [pinned](crate::goroutine::pin).
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, goroutine_local, run};
/// use std::cell::Cell;
///
/// goroutine_local! {
///     /// How many requests this goroutine has served.
///     static SERVED: Cell<u32> = Cell::new(0);
/// }
///
/// run(|| {
///     SERVED.set(3);
///     let other = go(|| SERVED.get());
///     assert_eq!(other.join().unwrap(), 0);
///     assert_eq!(SERVED.get(), 3);
/// });
/// ```
#[macro_export]
macro_rules! goroutine_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr; $($rest:tt)*) => {
        $crate::goroutine_local!($(#[$attribute])* $visibility static $name: $type = $init);
        $crate::goroutine_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr) => {
        $(#[$attribute])*
        $visibility static $name: $crate::goroutine::LocalKey<$type> =
            $crate::goroutine::LocalKey::__new(|| $init);
    };
}

/// The values of one goroutine, or of one OS thread, by their keys' numbers.
#[derive(Default)]
pub(crate) struct Locals(Vec<Entry>);

#[derive(Clone, Copy, Default)]
enum Entry {
    #[default]
    Unset,
    Value(Value),
    Dropped,
}

/// A value of any type, in a box.
#[derive(Clone, Copy)]
struct Value {
    address: NonNull<()>,
    drop: unsafe fn(NonNull<()>),
}

impl Value {
    fn new<T>(value: T) -> Value {
        unsafe fn drop_box<T>(address: NonNull<()>) {
            // SAFETY: it is that of the box below, and this is called once.
            drop(unsafe { Box::from_raw(address.cast::<T>().as_ptr()) });
        }
        Value {
            address: NonNull::from(Box::leak(Box::new(value))).cast(),
            drop: drop_box::<T>,
        }
    }

    /// Called once for each value. Its copy in a list is gone by then.
    fn drop(self) {
        // SAFETY: it is of this type, and dropped once.
        unsafe { (self.drop)(self.address) };
    }
}

impl Locals {
    const fn new() -> Locals {
        Locals(Vec::new())
    }

    fn find(&self, number: usize) -> Entry {
        self.0.get(number).copied().unwrap_or_default()
    }

    fn put(&mut self, number: usize, value: Value) {
        if self.0.len() <= number {
            self.0.resize(number + 1, Entry::Unset);
        }
        self.0[number] = Entry::Value(value);
    }

    /// Takes a value out, of which nobody finds a second one from now on.
    fn take_one(&mut self) -> Option<Value> {
        self.0.iter_mut().rev().find_map(|entry| match *entry {
            Entry::Value(value) => {
                *entry = Entry::Dropped;
                Some(value)
            }
            Entry::Unset | Entry::Dropped => None,
        })
    }
}

/// Those of an OS thread.
struct OfThread(UnsafeCell<Locals>);

impl Drop for OfThread {
    fn drop(&mut self) {
        while let Some(value) = self.0.get_mut().take_one() {
            drop_caught(value);
        }
    }
}

thread_local! {
    static OF_THREAD: OfThread = const { OfThread(UnsafeCell::new(Locals::new())) };
}

/// The locals of who runs this, and whether they are a thread's.
fn current_locals() -> Result<(*mut Locals, bool), AccessError> {
    let Some(g) = machine::goroutine() else {
        let of_thread = OF_THREAD.try_with(|locals| locals.0.get());
        return of_thread
            .map(|locals| (locals, true))
            .map_err(|_| AccessError);
    };
    // SAFETY: the current goroutine is alive, and this is its code, which alone touches them.
    let locals = unsafe {
        &raw mut (*g.as_ref().run.get())
            .extras
            .get_or_insert_default()
            .locals
    };
    Ok((locals, false))
}

/// Drops the locals of a goroutine whose task has run, or whose result was dropped by itself.
///
/// # Safety
///
/// `run` is the run part of a goroutine, and the caller its code.
#[inline]
pub(crate) unsafe fn drop_locals(run: *mut Run) {
    // SAFETY: the caller's contract.
    if unsafe { (*run).extras.is_some() } {
        // SAFETY: the caller's contract.
        unsafe { drop_all(run) };
    }
}

/// # Safety
///
/// As for [`drop_locals`].
#[cold]
unsafe fn drop_all(run: *mut Run) {
    // SAFETY: the caller's contract. No reference is held while a value is dropped, which may use
    // others.
    let take_one = || unsafe {
        (*run)
            .extras
            .as_mut()
            .and_then(|extras| extras.locals.take_one())
    };
    while let Some(value) = take_one() {
        drop_caught(value);
    }
}

/// One that panics does not keep the others from being dropped.
fn drop_caught(value: Value) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| value.drop())) {
        // Its destructor may panic, too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}
