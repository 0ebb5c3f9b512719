//! A thread's sleep, on loom's threads.

use loom::sync::Mutex;
use loom::thread;
use std::cell::{Cell, RefCell};
use std::mem;

/// As the scheduler's, on loom's threads.
pub(super) struct Parker {
    unparked: Mutex<bool>,
    /// Loom would take an unpark for the end of a wait for a lock, too.
    is_parked: Cell<bool>,
    thread: RefCell<Option<thread::Thread>>,
}

impl Parker {
    pub(super) fn new() -> Parker {
        Parker {
            unparked: Mutex::new(false),
            is_parked: Cell::new(false),
            thread: RefCell::new(None),
        }
    }

    pub(super) fn park(&self) {
        *self.thread.borrow_mut() = Some(thread::current());
        while !self.take_unpark() {
            thread::park();
        }
    }

    /// Owner: ends a sleep, or begins one.
    fn take_unpark(&self) -> bool {
        let mut unparked = self.unparked.lock().unwrap();
        self.is_parked.set(!*unparked);
        mem::take(&mut *unparked)
    }

    pub(super) fn unpark(&self) {
        *self.unparked.lock().unwrap() = true;
        if self.is_parked.replace(false)
            && let Some(thread) = &*self.thread.borrow()
        {
            thread.unpark();
        }
    }
}
