//! A frame that is lent to children, and knows whether one uses it too late.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use gorge_runtime::goroutine::{Scope, ScopedJoinHandle};
use gorge_runtime::{blocking, goroutine, yield_now};
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Knows whether a frame is there, and whether anybody used it when it was not.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) is_there: AtomicBool,
    pub(crate) uses: AtomicUsize,
    pub(crate) misuses: AtomicUsize,
}

/// What children borrow.
pub(crate) struct Frame {
    watch: Arc<Watch>,
    word: Box<str>,
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.watch.is_there.store(false, Ordering::SeqCst);
    }
}

/// What a child does with the frame, at the latest when it is dropped.
pub(crate) struct User<'a> {
    frame: &'a Frame,
    watch: Arc<Watch>,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.watch.uses.fetch_add(1, Ordering::SeqCst);
        if !self.watch.is_there.load(Ordering::SeqCst) || &*self.frame.word != "lent" {
            self.watch.misuses.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Watch {
    pub(crate) fn frame(self: &Arc<Watch>) -> Frame {
        self.is_there.store(true, Ordering::SeqCst);
        Frame {
            watch: self.clone(),
            word: "lent".into(),
        }
    }

    #[track_caller]
    pub(crate) fn expect(&self, uses: usize) {
        assert!(!self.is_there.load(Ordering::SeqCst), "the frame has gone");
        assert_eq!(self.misuses.load(Ordering::SeqCst), 0);
        assert_eq!(self.uses.load(Ordering::SeqCst), uses);
    }
}

impl Frame {
    pub(crate) fn user(&self) -> User<'_> {
        User {
            frame: self,
            watch: self.watch.clone(),
        }
    }
}

/// How a child goes on until its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Child {
    Returns,
    Yields,
    Sleeps,
    Blocks,
    Panics,
    WaitsForEver,
}

pub(crate) const ENDING: [Child; 5] = [
    Child::Returns,
    Child::Yields,
    Child::Sleeps,
    Child::Blocks,
    Child::Panics,
];

impl Child {
    pub(crate) fn live(self, user: User<'_>) {
        match self {
            Child::Returns => {}
            Child::Yields => (0..20).for_each(|_| yield_now()),
            Child::Sleeps => goroutine::sleep(Duration::from_micros(300)),
            Child::Blocks => blocking(yield_now),
            Child::Panics => resume_unwind(Box::new("a child's")),
            Child::WaitsForEver => goroutine::park_forever(),
        }
        drop(user);
    }
}

/// What becomes of a child's handle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Dropped,
    Forgotten,
    Joined,
}

pub(crate) const FATES: [Fate; 2] = [Fate::Dropped, Fate::Joined];

impl Fate {
    pub(crate) fn befall(self, handle: ScopedJoinHandle<'_, ()>) {
        match self {
            Fate::Dropped => drop(handle),
            Fate::Forgotten => mem::forget(handle),
            Fate::Joined => drop(handle.join()),
        }
    }
}

/// Starts a child that starts one, too.
pub(crate) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    frame: &'scope Frame,
    child: Child,
    fate: Fate,
) {
    let handle = scope.spawn(move || {
        let user = frame.user();
        drop(scope.spawn(move || child.live(frame.user())));
        child.live(user);
    });
    fate.befall(handle);
}
