//! What follows the end of a child: the strategies, the intensity, the end of all.
//!
//! | strategy | stopped, the last one first | then started, in order |
//! | --- | --- | --- |
//! | one for one, simple | nobody | the child |
//! | one for all | all others | all |
//! | rest for one | those behind it | the child and those |
//!
//! Temporary ones among those that are stopped are gone. Who had ended before, or was
//! terminated, is started with the others, as in OTP: they begin anew together.

use super::child::Restart;
use super::error::SupervisorError;
use super::event::EventKind;
use super::exit::Exit;
use super::lives::soon;
use super::manager::{Halt, Manager, State};
use super::{AutoShutdown, Strategy};
use gorge_runtime::time;
use std::mem;
use std::sync::Arc;

impl Manager<'_> {
    /// Decides what follows the end of this incarnation, unless somebody has stopped it
    /// meanwhile.
    pub(super) fn think_of(&mut self, incarnation: u64) -> Result<(), Halt> {
        let is_it = |state: &State| matches!(state, State::Ended(it, _) if *it == incarnation);
        let Some(index) = self.children.iter().position(|child| is_it(&child.state)) else {
            return Ok(());
        };
        let State::Ended(_, exit) = mem::replace(&mut self.children[index].state, State::Stopped)
        else {
            unreachable!("found as such");
        };
        self.tell(index, EventKind::Ended(exit.clone()));
        self.decide(index, exit)
    }

    /// Restarts a child that has ended by itself, or lets it be.
    pub(super) fn decide(&mut self, index: usize, exit: Exit) -> Result<(), Halt> {
        let child = &self.children[index];
        let restarts = match child.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => exit.is_abnormal(),
            Restart::Temporary => false,
        };
        if restarts {
            return self.restart(index, exit);
        }
        let significant = child.spec.significant;
        let name = Arc::clone(&child.spec.name);
        if child.spec.restart == Restart::Temporary || self.plan.is_simple() {
            self.children.remove(index);
        }
        let ends = significant
            && match self.plan.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.has_significant(),
            };
        if ends {
            self.events.tell(Some(&name), EventKind::AutoShutdown);
            return Err(Halt::Auto);
        }
        Ok(())
    }

    /// Whether a significant child runs, or will.
    fn has_significant(&self) -> bool {
        let runs = |state: &State| !matches!(state, State::Stopped);
        let mut children = self.children.iter();
        children.any(|child| child.spec.significant && runs(&child.state))
    }

    /// Stops whom the strategy says, and has them and the child started when the delay is
    /// over; or gives up.
    pub(super) fn restart(&mut self, index: usize, exit: Exit) -> Result<(), Halt> {
        let child = &mut self.children[index];
        if time::now() - child.born >= self.plan.period {
            child.failures = 0;
        }
        child.failures = child.failures.saturating_add(1);
        let failures = child.failures;
        if !self.may_restart() {
            self.tell(index, EventKind::GivingUp);
            return Err(Halt::Failed(SupervisorError::TooManyRestarts {
                child: Arc::clone(&self.children[index].spec.name),
                exit,
                limit: self.plan.limit,
                period: self.plan.period,
            }));
        }
        let delay = (self.plan.backoff)(failures);
        let affected = match self.plan.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => index..index + 1,
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => index..self.children.len(),
        };
        for other in affected.clone().rev().filter(|other| *other != index) {
            self.stop(other);
        }
        self.tell(index, EventKind::Restarting(delay));
        let until = soon(delay);
        for other in affected.rev() {
            if self.children[other].spec.restart == Restart::Temporary {
                self.children.remove(other);
            } else {
                self.children[other].state = State::Delayed(until);
            }
        }
        Ok(())
    }

    /// Counts a restart, and says whether it is within the intensity.
    fn may_restart(&mut self) -> bool {
        let now = time::now();
        let period = self.plan.period;
        self.restarts.retain(|then| now - *then <= period);
        self.restarts.push_back(now);
        self.restarts.len() <= self.plan.limit as usize
    }
}
