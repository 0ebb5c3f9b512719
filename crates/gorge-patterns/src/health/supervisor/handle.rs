//! How others speak to a supervisor: who runs, and starting and stopping at run time.

use super::child::Child;
use super::error::ChildError;
use super::event::Event;
use super::manager::{Command, Message};
use gorge_channel::{Receiver, Sender, bounded};
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Speaks to a supervisor; clones do so to the same one. It does not keep it alive.
///
/// All of it may be called from goroutines and from threads, and waits for the answer. A
/// supervisor that is just starting or stopping a child answers when it has done so.
///
/// # Cancellation
///
/// The methods that wait deliver a cancel of the goroutine. What was asked for is done all
/// the same.
#[derive(Clone)]
pub struct Handle {
    inbox: Sender<Message>,
    events: Receiver<Event>,
    lost: Arc<AtomicU64>,
}

/// A child, as [`Handle::children`] tells of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub state: ChildState,
    /// How often it was started anew.
    pub restarts: u64,
}

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildState {
    /// It runs.
    Running,
    /// It waits for its restart.
    Restarting,
    /// It has ended, or was terminated, and its specification is there.
    Stopped,
}

/// What an instance of a simple supervisor is started with.
pub(super) type Value =
    Box<dyn FnOnce(&gorge_channel::context::Context) -> gorge_channel::context::Context + Send>;

impl Handle {
    pub(super) fn new(
        inbox: Sender<Message>,
        events: Receiver<Event>,
        lost: Arc<AtomicU64>,
    ) -> Handle {
        Handle {
            inbox,
            events,
            lost,
        }
    }

    pub(super) fn inbox(&self) -> &Sender<Message> {
        &self.inbox
    }

    pub(super) fn tell(&self, message: Message) {
        // If the supervisor is gone, nobody wants to know.
        let _ = self.inbox.send(message);
    }

    fn ask<R>(&self, command: impl FnOnce(Sender<R>) -> Command) -> Result<R, ChildError> {
        let (reply, replies) = bounded(1);
        self.tell(Message::Command(command(reply)));
        replies.recv().map_err(|_| ChildError::Ended)
    }

    /// Adds a child behind the others, and starts it.
    ///
    /// # Errors
    ///
    /// If the name is taken; if the child ends before it is ready, in which case it is not
    /// kept; if the children are to be [identical](super::Strategy::SimpleOneForOne); if the
    /// supervisor has ended.
    pub fn start_child(&self, child: Child) -> Result<(), ChildError> {
        self.ask(|reply| Command::Start(child, reply))?
    }

    /// Starts one more of identical children, and returns its name, which is the template's
    /// and a number.
    ///
    /// # Errors
    ///
    /// If the strategy is not [`SimpleOneForOne`](super::Strategy::SimpleOneForOne); if the
    /// child ends before it is ready; if the supervisor has ended.
    pub fn start_instance(&self) -> Result<Arc<str>, ChildError> {
        self.ask(|reply| Command::Instance(None, reply))?
    }

    /// As [`start_instance`](Handle::start_instance), with a value for this child, which finds
    /// it in its context, also after a restart:
    /// [`value`](gorge_channel::context::Context::value).
    ///
    /// # Errors
    ///
    /// As for [`start_instance`](Handle::start_instance).
    pub fn start_instance_with<V: Any + Send + Sync>(
        &self,
        value: V,
    ) -> Result<Arc<str>, ChildError> {
        let with: Value = Box::new(move |context| context.with_value(value));
        self.ask(|reply| Command::Instance(Some(with), reply))?
    }

    /// Stops a child, as its [`Shutdown`](super::Shutdown) says, and waits for that. Its
    /// specification stays, unless it is temporary or one of identical ones.
    ///
    /// # Errors
    ///
    /// If there is no such child; if the supervisor has ended.
    pub fn terminate_child(&self, name: &str) -> Result<(), ChildError> {
        self.ask(|reply| Command::Terminate(name.to_owned(), reply))?
    }

    /// Starts a child that has ended or was terminated.
    ///
    /// # Errors
    ///
    /// If there is no such child; if it runs; if it ends before it is ready; if the
    /// supervisor has ended.
    pub fn restart_child(&self, name: &str) -> Result<(), ChildError> {
        self.ask(|reply| Command::Restart(name.to_owned(), reply))?
    }

    /// Removes the specification of a child that has ended or was terminated.
    ///
    /// # Errors
    ///
    /// If there is no such child; if it runs; if the supervisor has ended.
    pub fn delete_child(&self, name: &str) -> Result<(), ChildError> {
        self.ask(|reply| Command::Delete(name.to_owned(), reply))?
    }

    /// The children, in the order of their starts.
    ///
    /// # Errors
    ///
    /// If the supervisor has ended.
    pub fn children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        self.ask(Command::List)
    }

    /// What happens. There is room for [so many](super::Builder::events); what finds no room
    /// is lost, and counted. All receivers share the events.
    ///
    /// A supervisor whose events were [sent elsewhere](super::Builder::events_to) has none
    /// here.
    pub fn events(&self) -> Receiver<Event> {
        self.events.clone()
    }

    /// How many events found no room.
    pub fn lost_events(&self) -> u64 {
        // Relaxed: a count that nothing else hangs on.
        self.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Handle { .. }")
    }
}
