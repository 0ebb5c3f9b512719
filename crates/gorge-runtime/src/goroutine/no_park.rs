//! Sections in which a park is a mistake.

use crate::panics;
use crate::park::NO_PARK;
use crate::scheduler::current;

/// Calls `f`, and turns a park inside of it into a panic.
///
/// Wrap code with it that must not be interleaved with other goroutines of its
/// thread: an initialiser of a `thread_local!`, scoped thread-locals, code
/// that holds a `std::sync` lock. On an OS thread, which may wait as it
/// likes, `f` is simply called.
///
/// Inside, time slices do not end, and no cancel is delivered.
///
/// # Panics
///
/// If `f` waits, yields, or calls an operation that lends (`scope`, `blocking`,
/// `run`, `pin`), even if that would not wait. A panic of `f` continues here.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, goroutine, yield_now};
///
/// let careful = go(|| goroutine::no_park(|| 6 * 7));
/// assert_eq!(careful.join().unwrap(), 42);
///
/// let careless = go(|| goroutine::no_park(yield_now));
/// assert!(careless.join().unwrap_err().to_string().contains("no_park"));
/// ```
pub fn no_park<T>(f: impl FnOnce() -> T) -> T {
    let _restore = Restore(set(true));
    f()
}

/// For the wait of an operation that has lent the caller's frame and cannot be
/// refused: calls `f`, in which a park is none.
///
/// Such operations do not begin in a [`no_park`] section, unless the thread is
/// panicking; and that may be a sibling's doing, which has ended by now.
pub(super) fn park_anyhow<T>(f: impl FnOnce() -> T) -> T {
    let _restore = Restore(set(false));
    f()
}

/// Restores the flag, also when what changed it unwinds.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        set(self.0);
    }
}

/// Sets the calling goroutine's flag; returns what it was.
fn set(on: bool) -> bool {
    current::goroutine().is_some_and(|g| {
        // SAFETY: the current goroutine is alive while it runs this.
        unsafe { g.as_ref() }.cell.set_flag(NO_PARK, on)
    })
}

/// Whether the caller is a goroutine in a [`no_park`] section.
pub(crate) fn must_not_park() -> bool {
    current::goroutine().is_some_and(|g| {
        // SAFETY: as in `set`.
        unsafe { g.as_ref() }.cell.load().has(NO_PARK)
    })
}

/// For operations that may wait and cannot undo what they began.
///
/// # Panics
///
/// In a [`no_park`] section, unless the goroutine is panicking already.
#[track_caller]
pub(crate) fn check_may_park() {
    if must_not_park() && !panics::is_panicking() {
        refuse_to_park();
    }
}

#[cold]
#[track_caller]
pub(crate) fn refuse_to_park() -> ! {
    panic!("a park inside goroutine::no_park: move what waits out of it")
}
