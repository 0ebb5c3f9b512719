//! A future that the tests complete by hand, and what a goroutine waits for.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineId, GoroutineState, Runtime};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Pending until it is opened. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: bool,
    waker: Option<Waker>,
    polls: usize,
}

impl Gate {
    /// Completes the future and wakes whoever polled it last.
    pub(crate) fn open(&self) {
        let waker = {
            let mut state = self.0.lock();
            state.open = true;
            state.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The waker of the last poll that found it closed.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.0.lock().waker.clone()
    }

    /// How often it was polled.
    pub(crate) fn polls(&self) -> usize {
        self.0.lock().polls
    }

    /// Waits until it is open, and closes it.
    pub(crate) async fn pass(&self) {
        self.clone().await;
        self.0.lock().open = false;
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = self.0.lock();
        state.polls += 1;
        if state.open {
            return Poll::Ready(());
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

/// Whether a goroutine is parked for the given reason.
pub(crate) fn is_waiting(runtime: &Runtime, id: GoroutineId, reason: WaitReason) -> bool {
    let dump = runtime.dump_states();
    let state = dump.goroutines().iter().find(|it| it.id == id);
    state.is_some_and(|it| it.state == GoroutineState::Waiting(reason))
}
