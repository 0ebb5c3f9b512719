//! Runs a program's parties at the same time, and returns what they did.

use crate::common::Setting;
use crate::history::{Choice, Clock, Event, Recorder, What};
use crate::operate::{Form, new_select, ready, receive, select, send};
use crate::program::{Act, Plain, Program};
use crate::queue::{Received, Sent};
use crate::step::Case;
use gorge_channel::{Receiver, Select, SelectedOperation, SendError, Sender, bounded, unbounded};
use gorge_runtime::goroutine;
use gorge_sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So long others may run without anybody getting on, before all are taken to wait.
const PATIENCE: usize = 6;
const LOOK_EVERY: Duration = Duration::from_micros(50);

type Channel = (Sender<Box<u32>>, Receiver<Box<u32>>);

/// What the parties share.
struct World {
    channels: Vec<Channel>,
    clock: Clock,
    values: AtomicUsize,
    /// How many acts were done, and how many parties have ended.
    progress: AtomicUsize,
    ended: AtomicUsize,
    /// So that they run at the same time.
    start: Barrier,
}

/// A party, and what it did so far.
struct Party<'a> {
    world: &'a World,
    setting: Setting,
    recorder: Recorder<'a>,
}

/// Carries a program out. When all parties wait or have ended the channels are closed, so
/// it ends; what is left in them is then received.
pub(crate) fn carry_out(program: &Program, setting: Setting) -> Vec<Event> {
    let channel = |capacity: &Option<usize>| capacity.map_or_else(unbounded, bounded);
    let world = World {
        channels: program.capacities.iter().map(channel).collect(),
        clock: Clock::default(),
        values: AtomicUsize::new(0),
        progress: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        start: Barrier::new(program.parties.len()),
    };
    let world = &world;
    let count = program.parties.len();
    let mut events = setting.scope(|scope| {
        let parties: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let mut party = Party::new(world, setting, number);
                    world.start.wait();
                    for act in &program.parties[number] {
                        party.act(act);
                        world.progress.fetch_add(1, Ordering::SeqCst);
                    }
                    world.ended.fetch_add(1, Ordering::SeqCst);
                    party.recorder.events
                })
            })
            .collect();
        world.wait_until_nobody_gets_on(count);
        let mut coordinator = Party::new(world, setting, count);
        (0..world.channels.len()).for_each(|channel| coordinator.close(channel));
        let mut events: Vec<_> = parties.into_iter().flat_map(|it| it.join()).collect();
        (0..world.channels.len()).for_each(|channel| coordinator.drain(channel));
        events.append(&mut coordinator.recorder.events);
        events
    });
    events.sort_by_key(|event| event.called);
    events
}

impl World {
    fn wait_until_nobody_gets_on(&self, parties: usize) {
        let mut before = 0;
        let mut patience = PATIENCE;
        while patience > 0 && self.ended.load(Ordering::SeqCst) < parties {
            goroutine::sleep(LOOK_EVERY);
            let now = self.progress.load(Ordering::SeqCst);
            patience = if now == before {
                patience - 1
            } else {
                PATIENCE
            };
            before = now;
        }
    }

    fn cases(&self, cases: &[Case], biased: bool) -> Select<'_> {
        let mut select = new_select(biased);
        for &(channel, sends) in cases {
            let (sender, receiver) = &self.channels[channel];
            match sends {
                true => select.send(sender),
                false => select.recv(receiver),
            };
        }
        select
    }

    fn value(&self) -> u32 {
        self.values.fetch_add(1, Ordering::SeqCst) as u32
    }
}

impl<'a> Party<'a> {
    fn new(world: &'a World, setting: Setting, number: usize) -> Party<'a> {
        Party {
            world,
            setting,
            recorder: Recorder::new(&world.clock, number),
        }
    }

    fn act(&mut self, act: &Act) {
        let channels = &self.world.channels;
        match act {
            Act::Send(channel, form) => self.send(*channel, *form),
            Act::Receive(channel, form) => self.receive(*channel, *form),
            Act::Select(cases, biased, form, pauses) => {
                self.select(cases, *biased, *form, *pauses);
            }
            Act::Ready(cases, form) => self.recorder.record(|| {
                let found = ready(&mut self.world.cases(cases, false), *form);
                (What::Ready(cases.clone(), found), ())
            }),
            Act::Permit(channel, meanwhile, used) => self.permit(*channel, *meanwhile, *used),
            Act::Close(channel) => self.close(*channel),
            Act::Len(channel) => self.recorder.record(|| {
                let len = channels[*channel].0.len();
                (What::Len(*channel, len), ())
            }),
            Act::IsFull(channel) => self.recorder.record(|| {
                let is_full = channels[*channel].1.is_full();
                (What::IsFull(*channel, is_full), ())
            }),
            Act::IsClosed(channel) => self.recorder.record(|| {
                let is_closed = channels[*channel].1.is_closed();
                (What::IsClosed(*channel, is_closed), ())
            }),
            Act::Pause => self.setting.pause(),
        }
    }

    fn send(&mut self, channel: usize, form: Form) {
        let number = self.world.value();
        self.recorder.record(|| {
            let sender = &self.world.channels[channel].0;
            let (sent, returned) = send(sender, Box::new(number), form);
            assert!(returned.is_none_or(|value| *value == number));
            (What::Send(channel, number, sent), ())
        });
    }

    fn receive(&mut self, channel: usize, form: Form) {
        self.recorder.record(|| {
            let receiver = &self.world.channels[channel].1;
            let received = receive(receiver, form, |value| *value);
            (What::Receive(channel, received), ())
        });
    }

    fn close(&mut self, channel: usize) {
        self.recorder.record(|| {
            let closed = self.world.channels[channel].0.close();
            (What::Close(channel, closed), ())
        });
    }

    /// Receives what is left in a channel that is closed.
    fn drain(&mut self, channel: usize) {
        let ended = |event: &Event| event.what == What::Receive(channel, Received::Closed);
        while !self.recorder.events.last().is_some_and(ended) {
            self.receive(channel, Form::Tries);
        }
    }

    fn select(&mut self, cases: &[Case], biased: bool, form: Form, pauses: bool) {
        let world = self.world;
        let operation = self.recorder.record(|| {
            let chosen = select(&mut world.cases(cases, biased), form);
            let what = |choice| What::Select(cases.to_vec(), choice);
            let Some(operation) = chosen else {
                return (what(Choice::Nothing), None);
            };
            let index = operation.index();
            let (channel, sends) = cases[index];
            if sends {
                // Whether the channel was closed shows when the value is sent.
                return (what(Choice::Send(index)), Some(operation));
            }
            let result = operation.recv(&world.channels[channel].1);
            let choice = match result {
                Ok(value) => Choice::Value(index, *value),
                Err(_) => Choice::Closed(index),
            };
            (what(choice), None)
        });
        if let Some(operation) = operation {
            self.complete(operation, cases, pauses);
        }
    }

    /// Sends a value to what the select has chosen.
    fn complete(&mut self, operation: SelectedOperation<'a>, cases: &[Case], pauses: bool) {
        let channel = cases[operation.index()].0;
        if pauses {
            self.setting.pause();
        }
        let number = self.world.value();
        self.recorder.record(|| {
            let result = operation.send(&self.world.channels[channel].0, Box::new(number));
            (What::Keep(channel, number, kept(result, number)), ())
        });
    }

    fn permit(&mut self, channel: usize, meanwhile: Option<Plain>, used: bool) {
        let world = self.world;
        let permit = self.recorder.record(|| {
            let result = world.channels[channel].0.reserve();
            let choice = match result {
                Ok(_) => Choice::Promise(0),
                Err(_) => Choice::Closed(0),
            };
            (What::Select(vec![(channel, true)], choice), result.ok())
        });
        let Some(permit) = permit else {
            return;
        };
        match meanwhile {
            Some(Plain::Send(its, form)) => self.send(its, form),
            Some(Plain::Receive(its, form)) => self.receive(its, form),
            None => {}
        }
        if !used {
            return self.recorder.record(|| {
                drop(permit);
                (What::Break(channel), ())
            });
        }
        let number = world.value();
        self.recorder.record(|| {
            let result = permit.send(Box::new(number));
            (What::Keep(channel, number, kept(result, number)), ())
        });
    }
}

/// What became of a value that was sent to where it was promised room or a receiver.
fn kept(result: Result<(), SendError<Box<u32>>>, number: u32) -> Sent {
    match result {
        Ok(()) => Sent::Done,
        Err(SendError(value)) => {
            assert_eq!(*value, number, "its own value comes back");
            Sent::Closed
        }
    }
}
