//! The goroutine that is a supervisor: one inbox, one list of children, no locks.
//!
//! All that happens comes as a [`Message`]. [`Manager::pump`] is the only wait: it writes the
//! ends of children into the list, and puts off what has to be thought about, so that it may
//! be called in the midst of a start or a stop, which wait for one child. The main loop,
//! [`Manager::serve`], thinks about one thing after the other.
//!
//! ```text
//!   children ── Ready, Ended ──┐
//!                              ├──► inbox ──► pump ──► list of children
//!   handles ──── Command ──────┘              ├──► ended     ──┐
//!                                             └──► commands  ──┴──► serve
//! ```
//!
//! Each start of a child has a number of its own, the *incarnation*: what comes from an
//! earlier one is not heard.
//!
//! `lives` starts and stops, `restart` has the strategies, `commands` what handles ask for.

use super::child::Child;
use super::error::{ChildError, SupervisorError};
use super::event::{EventKind, Events};
use super::exit::Exit;
use super::handle::{ChildInfo, Handle, Value};
use super::life::{Ended, Running};
use super::{Builder, Strategy};
use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, at, bounded, never, select, unbounded};
use gorge_runtime::primitive::atomic::AtomicU64;
use gorge_runtime::time;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// What a supervisor hears.
pub(super) enum Message {
    Ready(u64),
    Ended(u64, Ended),
    Command(Command),
}

type Reply<T> = Sender<Result<T, ChildError>>;

/// What a handle asks for.
pub(super) enum Command {
    Start(Child, Reply<()>),
    Instance(Option<Value>, Reply<Arc<str>>),
    Terminate(String, Reply<()>),
    Restart(String, Reply<()>),
    Delete(String, Reply<()>),
    List(Sender<Vec<ChildInfo>>),
}

/// What a supervisor is reached by, made before it runs.
pub(super) struct Seat {
    pub(super) handle: Handle,
    inbox: Receiver<Message>,
    events: Events,
}

impl Seat {
    pub(super) fn of(builder: &Builder) -> Seat {
        let (sender, inbox) = unbounded();
        let (told, listened) = bounded(builder.events);
        let lost = Arc::new(AtomicU64::new(0));
        let events = Events {
            sender: builder.sink.clone().unwrap_or(told),
            lost: Arc::clone(&lost),
            supervisor: Arc::clone(&builder.name),
        };
        Seat {
            handle: Handle::new(sender, listened, lost),
            inbox,
            events,
        }
    }
}

/// Why a supervisor stops.
pub(super) enum Halt {
    Told,
    Auto,
    Failed(SupervisorError),
}

/// A child, with what becomes of it.
pub(super) struct Entry {
    pub(super) spec: Child,
    /// What its contexts are derived from.
    pub(super) base: Context,
    pub(super) state: State,
    pub(super) starts: u64,
    /// Restarts in a row, none of which has lasted.
    pub(super) failures: u32,
    pub(super) born: Instant,
}

pub(super) enum State {
    Stopped,
    /// It is started when the time comes.
    Delayed(Instant),
    Up(Box<Up>),
    /// It has ended by itself, which was not thought about yet.
    Ended(u64, Exit),
}

/// A child that runs.
pub(super) struct Up {
    pub(super) incarnation: u64,
    pub(super) running: Running,
    pub(super) ready: bool,
    /// When it was told to stop.
    pub(super) told: Option<Instant>,
    pub(super) watch: Option<Watch>,
}

/// What is known of a child's pulse. One that is silent is stopped step by step, while the
/// others are supervised.
pub(super) struct Watch {
    pub(super) phase: Phase,
    /// When the next step is due.
    pub(super) look_at: Instant,
    pub(super) seen: u64,
    pub(super) missed: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Beating,
    /// It was silent, and told to stop.
    Told,
    /// It has not stopped in its time.
    Killed,
}

pub(super) struct Manager<'a> {
    pub(super) plan: &'a Builder,
    ctx: &'a Context,
    pub(super) base: Context,
    pub(super) handle: Handle,
    inbox: Receiver<Message>,
    pub(super) events: Events,
    pub(super) children: Vec<Entry>,
    pub(super) ended: VecDeque<u64>,
    pub(super) commands: VecDeque<Command>,
    pub(super) restarts: VecDeque<Instant>,
    pub(super) incarnations: u64,
    pub(super) instances: u64,
}

/// Why [`Manager::pump`] returned.
#[derive(PartialEq, Eq)]
pub(super) enum Pumped {
    Message,
    Late,
    Told,
}

/// Runs a supervisor on the calling goroutine, until it has stopped all its children.
pub(super) fn run(
    plan: &Builder,
    ctx: &Context,
    seat: Seat,
    ready: impl FnOnce(),
) -> Result<(), SupervisorError> {
    let mut manager = Manager {
        plan,
        ctx,
        // They are stopped one after the other, so they must not all hear of it at once.
        base: ctx.without_cancel(),
        handle: seat.handle,
        inbox: seat.inbox,
        events: seat.events,
        children: Vec::new(),
        ended: VecDeque::new(),
        commands: VecDeque::new(),
        restarts: VecDeque::new(),
        incarnations: 0,
        instances: 0,
    };
    let halt = match manager.start_all() {
        Ok(()) => {
            ready();
            manager.serve()
        }
        // Before `ready`, being told is no regular end.
        Err(Halt::Told) => Halt::Failed(SupervisorError::Stopped),
        Err(halt) => halt,
    };
    manager.stop_all();
    manager.events.tell(None, EventKind::Stopped);
    match halt {
        Halt::Told | Halt::Auto => Ok(()),
        Halt::Failed(error) => Err(error),
    }
}

impl Manager<'_> {
    fn start_all(&mut self) -> Result<(), Halt> {
        if self.plan.strategy == Strategy::SimpleOneForOne {
            return Ok(());
        }
        for child in &self.plan.children {
            self.children
                .push(Entry::new(child.clone(), self.base.clone()));
            let index = self.children.len() - 1;
            if let Err(exit) = self.launch(index)? {
                let child = Arc::clone(&child.name);
                return Err(Halt::Failed(SupervisorError::StartFailed { child, exit }));
            }
        }
        Ok(())
    }

    /// Supervises.
    fn serve(&mut self) -> Halt {
        loop {
            if let Err(halt) = self.step() {
                return halt;
            }
        }
    }

    fn step(&mut self) -> Result<(), Halt> {
        if self.ctx.err().is_some() {
            return Err(Halt::Told);
        }
        if let Some(incarnation) = self.ended.pop_front() {
            return self.think_of(incarnation);
        }
        if let Some(command) = self.commands.pop_front() {
            return self.obey(command);
        }
        self.start_due()?;
        self.feel_pulses()?;
        if self.ended.is_empty() && self.commands.is_empty() {
            self.pump(self.next_look(), true);
        }
        Ok(())
    }

    /// When something has to be done even if nothing happens.
    fn next_look(&self) -> Option<Instant> {
        let looks = self.children.iter().filter_map(|child| match &child.state {
            State::Delayed(until) => Some(*until),
            State::Up(up) => up.watch.as_ref().map(|watch| watch.look_at),
            State::Stopped | State::Ended(..) => None,
        });
        looks.min()
    }

    /// Waits for a message, and takes it in; no longer than until then, and, if it may be
    /// `told`, than until the context is done.
    pub(super) fn pump(&mut self, until: Option<Instant>, told: bool) -> Pumped {
        let alarm = until.map_or_else(never, at);
        let done = if told {
            self.ctx.done().clone()
        } else {
            never()
        };
        let message = select! {
            recv(self.inbox) -> message => message.expect("its own handle keeps the inbox"),
            recv(done) -> _ => return Pumped::Told,
            recv(alarm) -> _ => return Pumped::Late,
        };
        match message {
            Message::Ready(incarnation) => {
                if let Some(up) = self.up_of(incarnation) {
                    up.ready = true;
                }
            }
            Message::Ended(incarnation, ended) => self.take_end(incarnation, ended),
            Message::Command(command) => self.commands.push_back(command),
        }
        Pumped::Message
    }

    fn up_of(&mut self, incarnation: u64) -> Option<&mut Up> {
        self.children
            .iter_mut()
            .find_map(|child| match &mut child.state {
                State::Up(up) if up.incarnation == incarnation => Some(&mut **up),
                _ => None,
            })
    }

    fn take_end(&mut self, incarnation: u64, ended: Ended) {
        let is_it = |child: &&mut Entry| matches!(&child.state, State::Up(up) if up.incarnation == incarnation);
        let Some(child) = self.children.iter_mut().find(is_it) else {
            // It was abandoned.
            return;
        };
        let State::Up(up) = mem::replace(&mut child.state, State::Stopped) else {
            unreachable!("found as such");
        };
        child.state = State::Ended(incarnation, up.exit(ended));
        self.ended.push_back(incarnation);
        // It has said its last words, and is about to leave its stack. What it may still
        // panic with, in a destructor, the hook has printed.
        let _ = up.running.goroutine.join();
    }

    /// Whether the context is done, so that nothing new is begun.
    pub(super) fn is_told(&self) -> bool {
        self.ctx.err().is_some()
    }

    pub(super) fn tell(&self, index: usize, kind: EventKind) {
        self.events
            .tell(Some(&self.children[index].spec.name), kind);
    }
}

impl Drop for Manager<'_> {
    /// After an orderly end nobody is left. If this goroutine is unwound, there is no time to
    /// wait for anybody.
    fn drop(&mut self) {
        for child in &self.children {
            if let State::Up(up) = &child.state {
                up.running.guard.cancel();
                up.running.goroutine.cancel();
            }
        }
    }
}

impl Entry {
    pub(super) fn new(spec: Child, base: Context) -> Entry {
        Entry {
            spec,
            base,
            state: State::Stopped,
            starts: 0,
            failures: 0,
            born: time::now(),
        }
    }
}

impl Up {
    fn is_silent(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.phase != Phase::Beating)
    }

    /// What its end was: it depends on what it was told.
    fn exit(&self, ended: Ended) -> Exit {
        match ended {
            Ended::Returned(Err(error)) if self.told.is_none() || !error.is::<ContextError>() => {
                Exit::Error(error.into())
            }
            // However it took it: it did not end because it was done.
            Ended::Returned(_) if self.is_silent() => Exit::Killed,
            // An error here says that its context was done, which is why it was to stop.
            Ended::Returned(_) if self.told.is_some() => Exit::Shutdown,
            Ended::Returned(_) => Exit::Normal,
            Ended::Panicked(panic) => Exit::Panic(panic),
            Ended::Unwound => Exit::Killed,
        }
    }
}
