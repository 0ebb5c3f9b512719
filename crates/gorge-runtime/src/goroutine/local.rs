//! Values of which each goroutine has its own: [`goroutine_local!`](crate::goroutine_local).
//!
//! * [`LocalKey`]: what the macro declares.
//! * [`Locals`]: the values of one goroutine, or of one OS thread.
//!
//! A key gets a number when it is first used anywhere, which is its place in everybody's
//! [`Locals`]. Each value is counted: the list has it, and whoever uses it.
//!
//! Only the code of the goroutine touches its locals. No reference to the list lives while foreign
//! code runs (an initialiser, a destructor, the closure of `with`), since that may use locals, too.

use super::Run;
use crate::primitive::atomic::{AtomicU32, Ordering};
use crate::scheduler::current as machine;
use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// A value of which each goroutine has its own, declared by [`goroutine_local!`](crate::goroutine_local).
///
/// It is made when a goroutine first uses it, and dropped when that goroutine ends, on its stack and
/// before its result can be joined. On an OS thread it is the thread's own, and so it is where a
/// goroutine has, or may have, a thread of its own: in [`blocking`](crate::blocking()) and
/// [`pin`](crate::goroutine::pin).
///
/// Methods are those of [`std::thread::LocalKey`].
///
/// # Panics
///
/// All but [`try_with`](LocalKey::try_with) panic where the value was dropped already: in the
/// destructor of another one, while the goroutine ends. A panic of a destructor is shown by the panic
/// hook and changes nothing else.
pub struct LocalKey<T: 'static> {
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

impl<T: 'static> LocalKey<T> {
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
        // SAFETY: it is a value of this key, which `value` keeps, and all that has it is on this
        // thread.
        Ok(f(unsafe { value.get() }))
    }

    fn value(&'static self) -> Result<Value, AccessError> {
        let number = self.number();
        // SAFETY: the list is that of who runs this, and nobody has a reference to it.
        match unsafe { (*current_locals()?).find(number) } {
            Entry::Value(value) => return Ok(value.clone()),
            Entry::Dropped => return Err(AccessError),
            Entry::Unset => {}
        }
        let value = Value::new((self.init)());
        // Of who goes on after the initialiser. SAFETY: as above.
        let locals = unsafe { &mut *current_locals()? };
        match locals.find(number) {
            Entry::Unset => {
                locals.put(number, value.clone());
                Ok(value)
            }
            // The initialiser itself has used the key. Its value goes without the list in hand.
            Entry::Value(first) => Ok(first.clone()),
            Entry::Dropped => Err(AccessError),
        }
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

impl<T: 'static> LocalKey<Cell<T>> {
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
impl<T: 'static> LocalKey<RefCell<T>> {
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

impl<T: 'static> fmt::Debug for LocalKey<T> {
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
/// Each is a `static` [`LocalKey`](crate::goroutine::LocalKey).
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

#[derive(Default)]
enum Entry {
    #[default]
    Unset,
    Value(Value),
    Dropped,
}

/// A value of any type. The list has it, and whoever uses it just now: a coroutine that is
/// left in `with` may be resumed when the goroutine has ended.
#[derive(Clone)]
struct Value(Rc<dyn Any>);

impl Value {
    fn new<T: 'static>(value: T) -> Value {
        Value(Rc::new(value))
    }

    /// # Safety
    ///
    /// It was made of a `T`.
    unsafe fn get<T: 'static>(&self) -> &T {
        debug_assert!(self.0.is::<T>(), "a number belongs to one key");
        // SAFETY: the caller's contract.
        unsafe { &*Rc::as_ptr(&self.0).cast::<T>() }
    }
}

impl Locals {
    const fn new() -> Locals {
        Locals(Vec::new())
    }

    fn find(&self, number: usize) -> &Entry {
        self.0.get(number).unwrap_or(&Entry::Unset)
    }

    fn put(&mut self, number: usize, value: Value) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, Entry::default);
        }
        self.0[number] = Entry::Value(value);
    }

    /// Takes a value out, of which nobody finds a second one from now on.
    fn take_one(&mut self) -> Option<Value> {
        let mut newest_first = self.0.iter_mut().rev();
        let entry = newest_first.find(|entry| matches!(entry, Entry::Value(_)))?;
        match mem::replace(entry, Entry::Dropped) {
            Entry::Value(value) => Some(value),
            Entry::Unset | Entry::Dropped => None,
        }
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

/// The locals of who runs this: the thread's, where no goroutine runs or one has a thread of
/// its own. So values never change threads but with a goroutine that migrates.
fn current_locals() -> Result<*mut Locals, AccessError> {
    let Some(g) = machine::goroutine() else {
        return of_thread();
    };
    // SAFETY: the current goroutine is alive, and this is its code, which alone touches them.
    unsafe {
        let extras = (*g.as_ref().run.get()).extras.get_or_insert_default();
        match extras.pinned {
            Some(_) => of_thread(),
            None => Ok(&raw mut extras.locals),
        }
    }
}

/// Never inlined: a migrating goroutine may be on another thread after each switch, and a
/// compiler takes the address of a thread-local for constant.
#[inline(never)]
fn of_thread() -> Result<*mut Locals, AccessError> {
    let of_thread = OF_THREAD.try_with(|locals| locals.0.get());
    of_thread.map_err(|_| AccessError)
}

/// Drops the locals of a goroutine whose task has run, or who has run other code since.
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
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Its destructor may panic, too, and so on.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(payload);
        }
    }
}
