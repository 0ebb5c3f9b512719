//! What handles ask for at run time.

use super::child::{Child, Restart};
use super::error::ChildError;
use super::handle::{ChildInfo, ChildState, Value};
use super::manager::{Command, Entry, Halt, Manager, State};
use gorge_channel::context::Context;
use std::sync::Arc;

impl Manager<'_> {
    /// Does what was asked for. Whoever has asked may be gone.
    pub(super) fn obey(&mut self, command: Command) -> Result<(), Halt> {
        match command {
            Command::Start(child, reply) => {
                let result = if self.plan.is_simple() {
                    Err(ChildError::Unsuitable(
                        "the children of this supervisor are identical: use start_instance",
                    ))
                } else {
                    let base = self.base.clone();
                    self.add(child, base)?.map(drop)
                };
                let _ = reply.send(result);
            }
            Command::Instance(value, reply) => {
                let result = self.add_instance(value)?;
                let _ = reply.send(result);
            }
            Command::Terminate(name, reply) => {
                let result = self.find(name).map(|index| self.terminate(index));
                let _ = reply.send(result);
            }
            Command::Restart(name, reply) => {
                let result = match self.find_stopped(name) {
                    Ok(index) => self.launch(index)?.map_err(|exit| ChildError::StartFailed {
                        child: Arc::clone(&self.children[index].spec.name),
                        exit,
                    }),
                    Err(error) => Err(error),
                };
                let _ = reply.send(result);
            }
            Command::Delete(name, reply) => {
                let found = self.find_stopped(name);
                let result = found.map(|index| drop(self.children.remove(index)));
                let _ = reply.send(result);
            }
            Command::List(reply) => {
                let _ = reply.send(self.children.iter().map(info).collect());
            }
        }
        Ok(())
    }

    fn find(&self, name: String) -> Result<usize, ChildError> {
        let mut children = self.children.iter();
        let found = children.position(|child| *child.spec.name == *name);
        found.ok_or(ChildError::NotFound(name))
    }

    fn find_stopped(&self, name: String) -> Result<usize, ChildError> {
        let index = self.find(name.clone())?;
        match self.children[index].state {
            State::Stopped => Ok(index),
            _ => Err(ChildError::Running(name)),
        }
    }

    fn add(&mut self, child: Child, base: Context) -> Result<Result<Arc<str>, ChildError>, Halt> {
        let name = Arc::clone(&child.name);
        if self.find(name.to_string()).is_ok() {
            return Ok(Err(ChildError::AlreadyPresent(name.to_string())));
        }
        if let Err(text) = self.plan.check(&child) {
            return Ok(Err(ChildError::Unsuitable(text)));
        }
        self.children.push(Entry::new(child, base));
        let index = self.children.len() - 1;
        Ok(match self.launch(index)? {
            Ok(()) => Ok(name),
            Err(exit) => {
                self.children.remove(index);
                Err(ChildError::StartFailed { child: name, exit })
            }
        })
    }

    fn add_instance(&mut self, value: Option<Value>) -> Result<Result<Arc<str>, ChildError>, Halt> {
        if !self.plan.is_simple() {
            return Ok(Err(ChildError::Unsuitable(
                "the children of this supervisor differ: use start_child",
            )));
        }
        let mut child = self.plan.children[0].clone();
        self.instances += 1;
        child.name = format!("{}-{}", child.name, self.instances).into();
        let base = match value {
            Some(with) => with(&self.base),
            None => self.base.clone(),
        };
        self.add(child, base)
    }

    fn terminate(&mut self, index: usize) {
        self.stop(index);
        // One that was to be restarted is not.
        self.children[index].state = State::Stopped;
        let temporary = self.children[index].spec.restart == Restart::Temporary;
        if temporary || self.plan.is_simple() {
            self.children.remove(index);
        }
    }
}

fn info(child: &Entry) -> ChildInfo {
    ChildInfo {
        name: Arc::clone(&child.spec.name),
        state: match child.state {
            State::Up(_) => ChildState::Running,
            State::Delayed(_) | State::Ended(..) => ChildState::Restarting,
            State::Stopped => ChildState::Stopped,
        },
        restarts: child.starts.saturating_sub(1),
    }
}
