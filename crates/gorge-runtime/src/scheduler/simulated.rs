//! The machine of a simulation: which goroutine it runs next, and what it does when there
//! is none. What decides is in [`sim`](crate::sim).

use super::current;
use super::machine::Machine;
use super::permits::Grant;
use super::shared::Shared;
use super::sleeper::Sleeper;
use crate::goroutine::GRef;
use crate::sim::{Idle, Next, Trace, World};
use std::sync::Arc;

impl Machine {
    /// What it knows as the machine of a simulation.
    #[inline]
    pub(crate) fn world(&self) -> Option<&World> {
        self.world.as_deref()
    }

    /// The same, if it is one call of [`sim::run`](crate::sim::run).
    #[inline]
    pub(crate) fn closed_world(&self) -> Option<&World> {
        self.world().filter(|world| world.is_closed())
    }

    /// In a simulation: any runnable goroutine, as the seed decides.
    pub(super) fn find_simulated_work(&self) -> Option<GRef> {
        let Some(world) = self.world() else {
            unreachable!("only the machine of a simulation comes here")
        };
        // A simulation has one machine, so these are all the timers.
        let timers = &self.processor().timers;
        loop {
            world.take_due(timers, &self.shared().clock);
            self.gather();
            if world.must_stop() {
                return None;
            }
            match self.with_queue(|queue| world.pick(queue)) {
                Some(Next::Runs(g)) => return Some(self.found(g)),
                Some(Next::Expires(g)) => {
                    self.queue_last(g);
                    continue;
                }
                None => {}
            }
            match world.idle(self.shared(), timers) {
                Idle::LookAgain => {}
                Idle::Over => return None,
                Idle::Rest => {
                    if self.shared().is_over() || !self.rest(false, true) {
                        self.finish();
                        return None;
                    }
                }
            }
        }
    }

    /// Puts all that could run into one queue.
    fn gather(&self) {
        if !self.slot().inbox.is_empty() {
            self.drain_inbox();
        }
        while let Some(g) = self
            .take_next()
            .or_else(|| self.take_continuation())
            .or_else(|| self.processor().pop())
            .or_else(|| self.take_oldest_start())
            .or_else(|| self.take_global_one())
        {
            self.with_queue(|queue| queue.push_back(g));
        }
    }

    /// Whether nothing could happen but what the goroutine does that runs.
    pub(crate) fn is_alone(&self) -> bool {
        self.gather();
        // What is due in the heap was taken before it ran.
        self.with_queue(|queue| queue.is_empty())
            && !self.world().is_some_and(World::is_anybody_due)
    }

    /// Runs goroutines until nobody could run any more, or the world says stop.
    pub(crate) fn run_simulation(&self) {
        self.run();
    }

    /// The last act of a simulation's machine.
    pub(crate) fn leave_simulation(&self) {
        // Nobody runs here who could answer.
        self.slot().answer(u32::MAX);
    }

    /// What happened in the simulation.
    pub(crate) fn into_trace(self) -> Trace {
        match self.world {
            Some(world) => world.into_trace(),
            None => unreachable!("it is the machine of a simulation"),
        }
    }
}

/// Makes the calling thread the one machine of a runtime that is simulated, while `f` runs.
pub(crate) fn on_this_thread(shared: &Arc<Shared>, f: impl FnOnce(&Machine, &World)) -> Machine {
    let counted = shared.permits.begin_wake();
    let Grant::Start(number) = shared.permits.grant(&shared.slots, true) else {
        unreachable!("a new runtime has permits, and no machines")
    };
    let machine = Machine::new(Arc::clone(shared), number, false);
    machine.searching.set(counted);
    current::with(&machine, || match machine.world() {
        Some(world) => f(&machine, world),
        None => unreachable!("the runtime is simulated"),
    });
    machine
}
