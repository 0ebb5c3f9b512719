//! Lazy initialisation: a value that is made when it is needed first, and once.
//!
//! Looking whether it is there, and then making it, makes it several times when several
//! need it at once. `OnceLock` and `LazyLock` let one make it, and the others wait.

use gorge::sync::{Barrier, LazyLock, Mutex, OnceLock};
use gorge::{scope, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};

const PARTIES: usize = 8;

/// Takes its time, in which others run.
fn make(made: &AtomicUsize) -> usize {
    yield_now();
    made.fetch_add(1, Ordering::SeqCst);
    42
}

/// How often the value was made, for parties that all need it at once.
fn all_need_it(needs: impl Fn(&AtomicUsize) -> usize + Sync) -> usize {
    let made = AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..PARTIES {
            s.spawn(|| assert_eq!(needs(&made), 42));
        }
    });
    made.into_inner()
}

/// Looks, and then makes it. All look at the same moment.
pub(crate) fn look_then_make() -> usize {
    let (value, all_have_looked) = (Mutex::new(None), Barrier::new(PARTIES));
    all_need_it(|made| {
        let found = *value.lock();
        all_have_looked.wait();
        if let Some(value) = found {
            return value;
        }
        let new = make(made);
        *value.lock() = Some(new);
        new
    })
}

/// The first one makes it, the others wait for that.
pub(crate) fn once_lock() -> usize {
    let value = OnceLock::new();
    all_need_it(|made| *value.get_or_init(|| make(made)))
}

/// As before, with the way to make it beside the value: what a `static` needs.
pub(crate) fn lazy_lock() -> usize {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static VALUE: LazyLock<usize> = LazyLock::new(|| make(&MADE));
    all_need_it(|_| *VALUE);
    MADE.load(Ordering::SeqCst)
}

pub(crate) fn tell() {
    gorge::run(|| {
        println!("  {PARTIES} goroutines need a value at once");
        println!("  look, then make: made {} times", look_then_make());
        println!("  OnceLock: {}", once_lock());
        println!("  LazyLock: {}", lazy_lock());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_first_makes_it_too_often() {
        assert_eq!(gorge::run(look_then_make), PARTIES);
    }

    #[test]
    fn it_is_made_once() {
        gorge::run(|| {
            assert_eq!(once_lock(), 1);
            assert_eq!(lazy_lock(), 1);
        });
    }
}
