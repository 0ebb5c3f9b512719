//! Which errors of a pipeline's steps count: those of values that somebody wanted.
//!
//! A step that ends before its input does, since it has enough, divides the pipeline: what a
//! step before it fails with afterwards is nobody's concern, as with an iterator that is asked
//! for no more. So a pipeline is a row of *segments* with a [`Gate`] between each two.
//!
//! ```text
//!   source ── try_map ──┤ take 3 ├── try_map ──► join
//!    [ first segment    ] gate    [ last segment ]
//!                error ───► passes unless the gate has had enough
//! ```
//!
//! An error of the last segment cancels the whole pipeline: nothing can make it good. One
//! before a gate only ends its step, so that values that were sent before it come through, and
//! the gate either has enough by them, or sees the end and lets the error pass. Hence what
//! joining returns does not depend on who is faster.
//!
//! Which segment is the last one is known when the pipeline is joined.

use gorge_channel::context::{CancelGuard, Context};
use gorge_sync::Mutex;
use std::error::Error;
use std::sync::Arc;

/// An error as it is shared.
pub(super) type Shared = Arc<dyn Error + Send + Sync>;

/// What all segments of a pipeline have.
pub(super) struct Control {
    pub(super) context: Context,
    pub(super) guard: CancelGuard,
}

/// Steps of which each is asked for values until its input ends.
pub(super) struct Segment {
    control: Arc<Control>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first one.
    error: Option<Shared>,
    is_last: bool,
}

impl Segment {
    pub(super) fn new(control: &Arc<Control>) -> Arc<Segment> {
        Arc::new(Segment {
            control: Arc::clone(control),
            state: Mutex::default(),
        })
    }

    /// A step has failed, or one of the segment before it whose value is missed.
    pub(super) fn fail(&self, error: Shared) {
        let Control { context, guard } = &*self.control;
        if context.err().is_some() {
            return;
        }
        let cancels = {
            let mut state = self.state.lock();
            let is_first = state.error.is_none();
            if is_first {
                state.error = Some(Arc::clone(&error));
            }
            is_first && state.is_last
        };
        if cancels {
            guard.cancel_with(error);
        }
    }

    /// It is the last one: from now on its errors cancel the pipeline.
    pub(super) fn is_joined(&self) {
        let error = {
            let mut state = self.state.lock();
            state.is_last = true;
            state.error.clone()
        };
        if let Some(error) = error {
            self.control.guard.cancel_with(error);
        }
    }

    /// What it has failed with.
    pub(super) fn error(&self) -> Option<Shared> {
        self.state.lock().error.clone()
    }
}

/// The end of a segment, which belongs to the step that may have enough. When that has ended,
/// and drops this, an error passes if it has not. The step drops it before its output, so that
/// whoever sees the end has the error.
pub(super) struct Gate {
    before: Arc<Segment>,
    after: Arc<Segment>,
    has_enough: bool,
}

impl Gate {
    pub(super) fn new(before: Arc<Segment>, after: Arc<Segment>) -> Gate {
        Gate {
            before,
            after,
            has_enough: false,
        }
    }

    /// No further value is wanted.
    pub(super) fn close(&mut self) {
        self.has_enough = true;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if !self.has_enough
            && let Some(error) = self.before.error()
        {
            self.after.fail(error);
        }
    }
}
