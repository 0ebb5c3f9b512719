//! What stages are made of: goroutines whose waits end with a context.
//!
//! * [`start`] and [`start_all`] start the goroutines of a stage;
//! * [`Stage::receive`], [`Stage::send`] and [`Stage::wait`] are the only waits in them, and
//!   say when it is time to end.
//!
//! # Why a wait is no select
//!
//! The plain way is a select over the channel and the context, for each operation. It costs
//! thirty to fifty nanoseconds more than the operation alone, twice per value. And all stages
//! below one context would enter and leave the one list of its done channel, for every value,
//! from every processor.
//!
//! Here a wait is the channel operation alone. A function that the context calls when it is
//! done cancels the goroutines of the stage that wait, and only those: a cancel that met a
//! function of the user's would unwind it in its midst.
//!
//! ```text
//!   context ── is done ──► finish: marks the phase, and cancels who waits
//!      ▲
//!      └── stop ── the last goroutine of the stage to end
//! ```
//!
//! A wait then costs two stores and two loads of the goroutine's own [`Phase`], beside the
//! look at the context that makes a stage end promptly. An idle stage is its goroutines and
//! an entry in the context's tree; under a context with a deadline there is also a goroutine
//! that waits for that, one per stage.
//!
//! # How a stage ends
//!
//! Its body is a closure that owns inputs and functions, and is given its outputs. However it
//! ends, the body is dropped first and then the outputs: so who has seen the end of a stage
//! knows that the user's functions are gone.
//!
//! | the body | its drop | the outputs |
//! | --- | --- | --- |
//! | returns | may panic: as below | are dropped |
//! | panics | may panic, too: the first counts | are [closed with the panic](SharedPanic) |
//! | returns, since an input ended with a panic | as above | are closed with that one |
//! | is cancelled in a wait | outside of the unwinding, shielded from the cancel | are dropped |
//!
//! It is not dropped by the unwinding, in which a destructor that panics would abort. And no
//! destructor of values in flight meets the cancel: from the wait on that finds the context
//! done, the goroutine is shielded. A panic
//! that comes with an input does not unwind stages: it is handed on as it is, so that its
//! payload gets to the first who collects, and stages that hold values back send them before.

use gorge_channel::context::{AfterFunc, Context};
use gorge_channel::{Receiver, RecvTimeoutError, Sender, SharedPanic};
use gorge_runtime::cancel::Shielded;
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};
use gorge_runtime::primitive::barrier;
use gorge_runtime::{JoinHandle, catch_panic, go};
use gorge_sync::OnceLock;
use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// A goroutine of a stage, as its own code sees it.
pub(crate) struct Stage {
    /// `None`: the context is never done.
    watched: Option<Watched>,
    /// That came with an input.
    inherited: RefCell<Option<SharedPanic>>,
    /// From when on the context was seen to be done.
    shielded: OnceCell<Shielded>,
}

struct Watched {
    /// To be looked at before a wait. `None` if there is a deadline, as a look at the clock
    /// costs as much as the wait.
    context: Option<Context>,
    phase: Arc<Phase>,
    _registered: Arc<Registered>,
}

/// What is told of a panic, and of the end by being dropped.
pub(crate) trait Outputs: Send + 'static {
    fn fail(&self, panic: &SharedPanic);
}

impl<T: Send + 'static> Outputs for Sender<T> {
    fn fail(&self, panic: &SharedPanic) {
        self.close_with_shared_panic(panic);
    }
}

impl<O: Outputs> Outputs for Vec<O> {
    fn fail(&self, panic: &SharedPanic) {
        self.iter().for_each(|output| output.fail(panic));
    }
}

/// Starts the one goroutine of a stage.
#[track_caller]
pub(crate) fn start<O, B>(context: &Context, outputs: O, body: B)
where
    O: Outputs,
    B: FnMut(&Stage, &O) + Send + 'static,
{
    start_all(context, [(outputs, body)]);
}

/// Starts a goroutine of a stage for each body, with its outputs.
#[track_caller]
pub(crate) fn start_all<O, B>(context: &Context, bodies: impl IntoIterator<Item = (O, B)>)
where
    O: Outputs,
    B: FnMut(&Stage, &O) + Send + 'static,
{
    let mut hiring = Hiring::below(context);
    for (outputs, body) in bodies {
        let watched = hiring.as_mut().map(Hiring::next);
        let goroutine = go(move || run(&Stage::new(watched), outputs, body));
        if let Some(hiring) = &mut hiring {
            hiring.hired(goroutine);
        }
    }
    if let Some(hiring) = hiring {
        hiring.end(context);
    }
}

/// What [`start_all`] does that depends on no types, and so is compiled once.
struct Hiring {
    /// To be looked at before a wait: see [`Watched`].
    asked: Option<Context>,
    registered: Arc<Registered>,
    crew: Crew,
}

impl Hiring {
    /// `None`: the context is never done.
    fn below(context: &Context) -> Option<Hiring> {
        context.is_cancellable().then(|| Hiring {
            asked: context.deadline().is_none().then(|| context.clone()),
            registered: Arc::new(Registered::default()),
            crew: Crew {
                context: context.clone(),
                phases: Vec::new(),
                goroutines: Vec::new(),
            },
        })
    }

    /// For a goroutine that is to be started now, and is [hired](Hiring::hired) then.
    fn next(&mut self) -> Watched {
        let phase = Arc::new(Phase::default());
        self.crew.phases.push(Arc::clone(&phase));
        Watched {
            context: self.asked.clone(),
            phase,
            _registered: Arc::clone(&self.registered),
        }
    }

    fn hired(&mut self, goroutine: JoinHandle<()>) {
        self.crew.goroutines.push(goroutine);
    }

    /// `context` is the one that it began with.
    fn end(self, context: &Context) {
        let Hiring {
            registered, crew, ..
        } = self;
        // Nobody else sets it. The crew does its work when it is dropped.
        _ = registered.function.set(context.after_func(|| drop(crew)));
    }
}

/// The life of a goroutine.
fn run<O, B>(stage: &Stage, outputs: O, mut body: B)
where
    O: Outputs,
    B: FnMut(&Stage, &O),
{
    // The outer one catches a cancel, which must not unwind what the body owns.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        catch_panic(AssertUnwindSafe(|| body(stage, &outputs)))
    }));
    let panic = ended.unwrap_or(Ok(())).err();
    if stage.may_be_cancelled() {
        stage.shield();
    }
    let dropped = catch_panic(AssertUnwindSafe(|| drop(body))).err();
    let own = panic.or(dropped).map(SharedPanic::new);
    if let Some(panic) = stage.inherited.take().or(own) {
        outputs.fail(&panic);
    }
    drop(outputs);
}

/// The goroutines of a stage, as its context knows them: if that is done when this is
/// dropped, it ends their waits.
///
/// In the drop, as the function that has it may never run: it would on a goroutine of whoever
/// cancels, whose runtime may end with that.
struct Crew {
    context: Context,
    /// One for each goroutine.
    phases: Vec<Arc<Phase>>,
    goroutines: Vec<JoinHandle<()>>,
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.context.err().is_none() {
            return;
        }
        for phase in &self.phases {
            phase.mark_done();
        }
        barrier::heavy();
        for (phase, goroutine) in self.phases.iter().zip(&self.goroutines) {
            if phase.waits() {
                goroutine.cancel();
            }
        }
    }
}

/// The function that a context calls. The last goroutine of the stage to end, which is the
/// last one to drop this, takes it back.
#[derive(Default)]
struct Registered {
    function: OnceLock<AfterFunc>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(function) = self.function.get() {
            function.stop();
        }
    }
}

impl Stage {
    fn new(watched: Option<Watched>) -> Stage {
        Stage {
            watched,
            inherited: RefCell::default(),
            shielded: OnceCell::new(),
        }
    }

    /// Waits for a value; `None` when it is time to end.
    #[inline]
    pub(crate) fn receive<T>(&self, input: &Receiver<T>) -> Option<T> {
        match self.wait(|| input.__recv_quietly(None))? {
            Ok(value) => Some(value),
            Err(_) => {
                self.inherit(input);
                None
            }
        }
    }

    /// As [`receive`](Stage::receive), until a deadline; the inner `None` when that has
    /// passed, and the outer one when it is time to end: at once if the context is done.
    pub(crate) fn receive_until<T>(
        &self,
        input: &Receiver<T>,
        deadline: Option<Instant>,
    ) -> Option<Option<T>> {
        match self.wait(|| input.__recv_quietly(deadline))? {
            Ok(value) => Some(Some(value)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.inherit(input);
                None
            }
        }
    }

    /// Takes over the panic, if there is one, with which an input has ended.
    #[cold]
    pub(crate) fn inherit<T>(&self, input: &Receiver<T>) {
        if let Some(panic) = input.__panic() {
            self.fail_with(panic);
        }
    }

    /// Has the outputs end with a panic, when the body returns. The first one counts.
    pub(crate) fn fail_with(&self, panic: SharedPanic) {
        self.inherited.borrow_mut().get_or_insert(panic);
    }

    /// Takes what the outputs would end with.
    pub(crate) fn take_inherited(&self) -> Option<SharedPanic> {
        self.inherited.take()
    }

    /// Whether an input has ended with a panic.
    pub(crate) fn has_failed(&self) -> bool {
        self.inherited.borrow().is_some()
    }

    /// Waits until the value is received; false when it is time to end.
    #[inline]
    pub(crate) fn send<T>(&self, output: &Sender<T>, value: T) -> bool {
        self.wait(|| output.send(value))
            .is_some_and(|sent| sent.is_ok())
    }

    /// Does what may wait, and runs no function of the user's. `None` if the context is done,
    /// before or after: destructors, which run then, are shielded from the cancel.
    #[inline]
    pub(crate) fn wait<R>(&self, operation: impl FnOnce() -> R) -> Option<R> {
        let Some(Watched { context, phase, .. }) = &self.watched else {
            return Some(operation());
        };
        // The function that the context calls takes a moment to begin.
        if context.as_ref().is_some_and(|it| it.err().is_some()) || !phase.begin_wait() {
            self.shield();
            return None;
        }
        let result = operation();
        if !phase.end_wait() {
            self.shield();
            return None;
        }
        Some(result)
    }

    /// No cancel is delivered to the goroutine any more.
    #[cold]
    fn shield(&self) {
        self.shielded.get_or_init(Shielded::new);
    }

    /// Whether the context may have had this goroutine cancelled. If not, it never will.
    fn may_be_cancelled(&self) -> bool {
        let watched = self.watched.as_ref();
        watched.is_some_and(|watched| !watched.phase.end_wait())
    }
}

/// Whether a goroutine waits, and whether its context is done.
///
/// | transition | by | when it returns |
/// | --- | --- | --- |
/// | [`begin_wait`](Phase::begin_wait) | the goroutine | false: end, do not wait |
/// | [`end_wait`](Phase::end_wait) | the goroutine | false: end, a cancel may be under way |
/// | [`mark_done`](Phase::mark_done), a barrier, [`waits`](Phase::waits) | the context, once | true: cancel it |
///
/// Each side stores its own flag and then loads the other's, with a barrier between, so at
/// least one sees the other. Hence no wait is left alone with a context that is done. And a
/// goroutine that was seen to wait, and is cancelled, finds `done` set when its wait ends: it
/// calls no function of the user's any more, which might meet the cancel, and shields itself
/// for what it has to drop.
#[derive(Default)]
struct Phase {
    waits: AtomicBool,
    done: AtomicBool,
}

impl Phase {
    #[inline]
    #[must_use]
    fn begin_wait(&self) -> bool {
        let may_wait = self.set_waits(true);
        if !may_wait {
            // It does not wait, so there is no need to cancel it.
            self.waits.store(false, Ordering::Relaxed);
        }
        may_wait
    }

    #[inline]
    #[must_use]
    fn end_wait(&self) -> bool {
        self.set_waits(false)
    }

    /// Whether the context is not done.
    #[inline]
    fn set_waits(&self, waits: bool) -> bool {
        self.waits.store(waits, Ordering::Relaxed);
        // Pairs with the heavy one between `mark_done` and `waits`.
        barrier::light();
        // Acquire: pairs with the Release of `mark_done`, so that what came before the cancel
        // is seen by what the stage's end leads to.
        !self.done.load(Ordering::Acquire)
    }

    fn mark_done(&self) {
        // Release: pairs with the Acquire of `set_waits`.
        self.done.store(true, Ordering::Release);
    }

    fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_cancelled_and_work_is_not() {
        let waiting = Phase::default();
        assert!(waiting.begin_wait());
        waiting.mark_done();
        assert!(waiting.waits(), "cancel it");
        assert!(!waiting.end_wait());

        let working = Phase::default();
        assert!(working.begin_wait() && working.end_wait());
        working.mark_done();
        assert!(!working.waits(), "leave it alone");
        assert!(!working.begin_wait());
        assert!(!working.waits(), "it has not begun to wait");
    }
}
