//! What the machine of a simulation knows beyond any other machine: who runs next and
//! why, what happened so far, and how it ends.
//!
//! * [`World::pick`]: what happens next, of all that could: a goroutine runs, or a wait
//!   ends whose time has come.
//! * [`World::idle`]: what happens when nothing could: one that settles goes on, else the
//!   clock moves, else it is over.
//! * [`World::note`], [`World::started`], [`World::at`]: what happens meanwhile.
//! * [`World::fail`]: the first thing that goes wrong is what went wrong.
//!
//! An *open* world is a runtime whose builder was told to be simulated: threads may come
//! and go there, and it ends with its runtime. A *closed* one is one call of
//! [`sim::run`](super::run): nothing comes from outside, so a world in which nobody could
//! ever run again is over. What happened is kept in mind there only.
//!
//! Used by its machine's thread only. No borrow of the state outlives a function here.

use super::failure::Cause;
use super::strategy::{Choice, Chooser, Strategy};
use super::trace::{Action, Recorder, Trace};
use crate::goroutine::{GRef, GoroutineId};
use crate::park::{Outcome, WaitReason, Waiter};
use crate::scheduler::{NEVER, Random, Shared};
use crate::timer::{Clock, Due, Timers};
use crate::trace::Event;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How a simulation is to go, beside its seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(super) strategy: Strategy,
    pub(super) is_closed: bool,
    pub(super) forces_yields: bool,
    pub(super) steps_max: u64,
    pub(super) steps_at_once_max: u64,
    pub(super) trace_len: usize,
    /// Whether the trace says where in the program an operation is.
    pub(super) locates: bool,
}

impl Plan {
    /// For a runtime that its builder was told to simulate.
    pub(crate) const OPEN: Plan = Plan {
        strategy: Strategy::Uniform,
        is_closed: false,
        forces_yields: false,
        steps_max: u64::MAX,
        steps_at_once_max: u64::MAX,
        trace_len: 0,
        locates: false,
    };
}

/// What a machine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It runs this goroutine.
    Runs(GRef),
    /// It queues this one, whose wait a timer has ended.
    Expires(GRef),
}

/// What a machine does that finds nobody to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Look again: somebody may run now.
    LookAgain,
    /// Sleep until something comes from outside.
    Rest,
    /// Nobody will ever run.
    Over,
}

/// See the module's description.
pub(crate) struct World {
    plan: Plan,
    seed: u64,
    strategy: Strategy,
    state: RefCell<State>,
}

struct State {
    random: Random,
    chooser: Chooser,
    recorder: Recorder,
    /// The goroutine that runs; zero while the scheduler does.
    running: u64,
    /// The one that was taken from the queue last.
    taken: Option<GRef>,
    /// The one that ran last, and whether it had to leave, or wanted to.
    last: u64,
    must_leave: bool,
    /// The waits whose time has come, in no order: the next one to end is chosen as the next
    /// goroutine to run is, and others may end them before. So the clock stands still as
    /// long as there is one.
    due: Vec<Due>,
    /// Those who wait until nobody else could run.
    settling: Vec<Waiter>,
    /// What a closure was not allowed to wait for that runs while all others stand still.
    refused: Option<WaitReason>,
    /// How many steps there had been when the clock moved last.
    clock_moved_at: u64,
    /// The last instant at which it was settled that deadlines have passed, of those for
    /// which nothing runs.
    passed_at: u64,
    main: u64,
    main_has_ended: bool,
    /// The panics of goroutines whose handles are there, and were not asked so far.
    unheard: Vec<(GoroutineId, Arc<str>)>,
    cause: Option<Cause>,
    /// It is over: how many goroutines may still be run to let them unwind.
    unwinding: Option<u64>,
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64) -> World {
        // The first stream is for whoever draws on a goroutine.
        let mut random = Random::new(seed, 0);
        let strategy = plan.strategy.settled(seed, &mut random);
        let chooser = strategy.chooser(&mut random);
        World {
            plan,
            seed,
            strategy,
            state: RefCell::new(State {
                random,
                chooser,
                recorder: Recorder::new(plan.trace_len),
                running: 0,
                taken: None,
                last: 0,
                must_leave: false,
                due: Vec::new(),
                settling: Vec::new(),
                refused: None,
                clock_moved_at: 0,
                passed_at: NEVER,
                main: 0,
                main_has_ended: false,
                unheard: Vec::new(),
                cause: None,
                unwinding: None,
            }),
        }
    }

    /// Whether this is all that there is: see the module's description.
    pub(crate) fn is_closed(&self) -> bool {
        self.plan.is_closed
    }

    /// Takes the waits whose time has come out of the timers.
    #[inline]
    pub(crate) fn take_due(&self, timers: &Timers, clock: &Clock) {
        if timers.earliest() != NEVER {
            let due = &mut self.state.borrow_mut().due;
            timers.take_due(clock.now(), |it| due.push(it));
        }
    }

    /// Whether there is a wait whose time has come.
    pub(crate) fn is_anybody_due(&self) -> bool {
        let due = &mut self.state.borrow_mut().due;
        while let Some(last) = due.last() {
            if last.is_waiting() {
                return true;
            }
            due.pop();
        }
        false
    }

    /// Chooses what happens next of all that could.
    pub(crate) fn pick(&self, queue: &mut VecDeque<GRef>) -> Option<Next> {
        let state = &mut *self.state.borrow_mut();
        if state.running != 0 && !state.must_leave {
            // It was not made to leave, and did not leave to wait.
            let id = state.running;
            state.chooser.yielded(id);
            self.record(state, id, Action::Yields);
        }
        (state.running, state.must_leave) = (0, false);
        loop {
            let State { due, random, .. } = state;
            match state.chooser.choose(queue, due, random)? {
                Choice::Runs(place) => {
                    state.taken = queue.swap_remove_back(place);
                    return state.taken.map(Next::Runs);
                }
                Choice::Expires(place) => {
                    let due = state.due.swap_remove(place);
                    if let Some(g) = due.end() {
                        self.record(state, 0, Action::Expires(due.id()));
                        return Some(Next::Expires(g));
                    }
                }
            }
        }
    }

    /// Whether the machine of a closed world has to stop, whoever could run.
    pub(crate) fn must_stop(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        match &mut state.unwinding {
            None => state.cause.is_some() && self.plan.is_closed,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// Nobody could run, and nothing is due.
    pub(crate) fn idle(&self, shared: &Shared, timers: &Timers) -> Idle {
        if let Some(waiter) = self.take_settling() {
            // All that is to happen at this instant has happened.
            self.deadlines_pass(shared.clock.now());
            // SAFETY: it was among those who settle, and takes itself out from there,
            // on this thread, before it returns.
            if let Some(claim) = unsafe { waiter.claim(Outcome::Woken(0)) } {
                claim.wake();
            }
            return Idle::LookAgain;
        }
        let state = &mut *self.state.borrow_mut();
        (state.running, state.must_leave) = (0, false);
        let is_unwinding = state.unwinding.is_some();
        if self.plan.is_closed && state.main_has_ended && !is_unwinding {
            // From here on, nobody asks.
            if let Some((id, message)) = state.unheard.first().cloned() {
                state.cause.get_or_insert(Cause::Panic(id, message));
            }
            // Also who has left nothing but a destructor of its result to do.
            if !shared.is_all_retired() {
                state.cause.get_or_insert(Cause::Leak);
            }
            return Idle::Over;
        }
        if let Some((when, due)) = timers.take_first() {
            let is_moved = shared.clock.jump_to(when);
            debug_assert!(is_moved, "the clock of a simulation is virtual");
            state.due.push(due);
            self.record(state, 0, Action::ClockAt(Duration::from_nanos(when)));
            state.clock_moved_at = state.recorder.total();
            return Idle::LookAgain;
        }
        if !self.plan.is_closed {
            return Idle::Rest;
        }
        if !is_unwinding {
            state.cause.get_or_insert(Cause::Deadlock);
        }
        Idle::Over
    }

    fn take_settling(&self) -> Option<Waiter> {
        let state = &mut *self.state.borrow_mut();
        let place = match state.settling.len() {
            0 => return None,
            1 => 0,
            len => state.random.below(len),
        };
        (state.running, state.must_leave) = (0, false);
        Some(state.settling.swap_remove(place))
    }

    /// Somebody waits until nobody else could run.
    pub(super) fn settles(&self, waiter: Waiter) {
        self.state.borrow_mut().settling.push(waiter);
    }

    /// It does not any more.
    pub(super) fn has_settled(&self, waiter: Waiter) {
        let settling = &mut self.state.borrow_mut().settling;
        settling.retain(|other| !other.is_same_wait(waiter));
    }

    /// Whether something comes before the deadlines that pass now, for which nothing runs.
    pub(super) fn precedes_deadline(&self, now: u64) -> bool {
        let state = &mut *self.state.borrow_mut();
        let precedes = state.passed_at != now && state.random.below(2) == 0;
        if !precedes {
            state.passed_at = now;
        }
        precedes
    }

    /// Somebody is told that deadlines that are now have passed.
    pub(super) fn deadlines_pass(&self, now: u64) {
        self.state.borrow_mut().passed_at = now;
    }

    /// What a closure is told that was given to `blocking` and would wait.
    pub(super) fn refusal(&self, reason: WaitReason) -> String {
        let (seed, step) = (self.seed, self.state.borrow().recorder.total());
        format!(
            "in a simulation (seed {seed}, step {step}), a closure that was given to `blocking` \
             would wait ({reason}), and never end, as nobody else runs before it does: wait \
             before it or after it, on the goroutine"
        )
    }

    /// Such a closure was not allowed to wait.
    pub(super) fn refuses(&self, reason: WaitReason) {
        self.state.borrow_mut().refused = Some(reason);
    }

    pub(super) fn take_refused(&self) -> Option<WaitReason> {
        self.state.borrow_mut().refused.take()
    }

    /// Something was done to a goroutine. This, and what follows, is for closed worlds.
    pub(crate) fn note(&self, event: Event) {
        let state = &mut *self.state.borrow_mut();
        match event {
            Event::Run(id) => {
                let id = id.as_u64();
                state.running = id;
                if state.last != id {
                    state.last = id;
                    state.chooser.switched();
                    self.record(state, id, Action::Runs);
                }
            }
            Event::Ready(id) => {
                let by = state.running;
                self.record(state, by, Action::Wakes(id));
            }
            Event::Park(id) => {
                if let Some(g) = state.taken {
                    // SAFETY: it is the one that ran, and Gs stay allocated.
                    let reason = unsafe { g.as_ref() }.cell.reason();
                    self.record(state, id.as_u64(), Action::Parks(reason));
                }
                state.running = 0;
            }
            Event::End(id) => {
                let id = id.as_u64();
                self.record(state, id, Action::Ends);
                state.chooser.ended(id);
                state.main_has_ended |= id == state.main;
                state.running = 0;
            }
            _ => {}
        }
    }

    /// The running goroutine, if there is one, has started another one. It leaves, if
    /// that is to run first.
    pub(super) fn started(&self, child: GRef, leaves: bool) {
        let state = &mut *self.state.borrow_mut();
        // SAFETY: it was just started, and could not have run yet.
        let child = unsafe { child.as_ref() };
        let id = child.id();
        if state.main == 0 {
            state.main = id.as_u64();
        }
        if let Some(name) = child.name_now() {
            state.recorder.name(id.as_u64(), &name);
        }
        let by = state.running;
        // Where the simulation was asked for is not part of what happens in it.
        let site = child.site().filter(|_| by != 0);
        self.record(state, by, Action::Starts(id, site));
        state.must_leave |= leaves;
    }

    /// The running goroutine is about to do something. True when another one may have to
    /// be run before: `is_alone` says whether there is none, and `place` where in the program
    /// that is.
    pub(super) fn at(
        &self,
        operation: &'static str,
        is_alone: impl FnOnce() -> bool,
        place: impl FnOnce() -> Option<String>,
    ) -> bool {
        // First, as they may come back here.
        let may_leave = self.plan.forces_yields && !is_alone();
        let place = self.plan.locates.then(place).flatten();
        let state = &mut *self.state.borrow_mut();
        if state.unwinding.is_some() {
            state.must_leave = true;
            return true;
        }
        let id = state.running;
        self.record(state, id, Action::At(operation));
        if let Some(place) = place {
            state.recorder.locate(place);
        }
        let leaves = state.cause.is_some() || may_leave;
        state.must_leave = leaves;
        leaves
    }

    fn record(&self, state: &mut State, goroutine: u64, action: Action) {
        // What comes after the failure is of no interest.
        if state.cause.is_some() || state.unwinding.is_some() {
            return;
        }
        state.recorder.record(goroutine, action);
        let total = state.recorder.total();
        state.chooser.stepped(goroutine, total);
        let is_livelock = total - state.clock_moved_at >= self.plan.steps_at_once_max;
        if total >= self.plan.steps_max || is_livelock {
            let limit = Cause::StepLimit {
                at_once: is_livelock,
            };
            state.cause.get_or_insert(limit);
        }
    }

    /// The simulation has failed, unless it had before.
    pub(super) fn fail(&self, cause: impl FnOnce() -> Cause) {
        let state = &mut *self.state.borrow_mut();
        if state.unwinding.is_none() {
            state.cause.get_or_insert_with(cause);
        }
    }

    /// A goroutine has panicked, and nobody has asked for that so far.
    pub(super) fn unheard(&self, id: GoroutineId, message: Arc<str>) {
        self.state.borrow_mut().unheard.push((id, message));
    }

    /// Somebody has asked how a goroutine ended, or never will.
    pub(super) fn heard(&self, id: GoroutineId) {
        self.state
            .borrow_mut()
            .unheard
            .retain(|(other, _)| *other != id);
    }

    /// The goroutine that the simulation is of.
    pub(super) fn is_main(&self, goroutine: u64) -> bool {
        self.state.borrow().main == goroutine
    }

    /// What went wrong.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.state.borrow().cause.clone()
    }

    /// It is over, and goroutines that are left have been cancelled: from here on they are
    /// run a number of times, and nothing counts any more.
    pub(super) fn begin_unwinding(&self, turns: u64) {
        self.state.borrow_mut().unwinding = Some(turns);
    }

    pub(super) fn strategy(&self) -> Strategy {
        self.strategy
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.state.into_inner().recorder.into_trace()
    }
}
