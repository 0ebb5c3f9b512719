//! Carries a sequence of steps out, and compares each of them with the model.

use crate::operate::{Form, new_select, ready, receive, select, send};
use crate::queue::{Queue, Received, Sent};
use crate::step::{Case, Fate, Sequence, Step};
use gorge_channel::{Receiver, Select, SelectedOperation, SendError, Sender, bounded, unbounded};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A value that is counted while it is there. It owns no memory: a select that is not
/// completed leaks it.
struct Value<'a>(u32, &'a AtomicUsize);

impl Drop for Value<'_> {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A channel's handles, and what it should be like.
struct Channel<'a> {
    senders: Vec<Sender<Value<'a>>>,
    receivers: Vec<Receiver<Value<'a>>>,
    /// With those that a step uses.
    handles: [usize; 2],
    queue: Queue,
}

/// A handle for a step, which the model counts.
enum Handle<'a> {
    Sender(usize, Sender<Value<'a>>),
    Receiver(usize, Receiver<Value<'a>>),
}

impl Handle<'_> {
    fn channel(&self) -> usize {
        match self {
            Handle::Sender(channel, _) | Handle::Receiver(channel, _) => *channel,
        }
    }

    fn sends(&self) -> bool {
        matches!(self, Handle::Sender(..))
    }
}

struct World<'a> {
    channels: Vec<Channel<'a>>,
    alive: &'a AtomicUsize,
    made: u32,
    /// Values that are in no queue, but not gone.
    held: usize,
}

/// Carries the steps out; fails at the first that does something else than the model.
pub(crate) fn carry_out(sequence: &Sequence) -> TestCaseResult {
    let alive = AtomicUsize::new(0);
    let channels = sequence.capacities.iter().map(|&capacity| {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        Channel {
            senders: vec![sender],
            receivers: vec![receiver],
            handles: [1; 2],
            queue: Queue::new(capacity),
        }
    });
    let mut world = World {
        channels: channels.collect(),
        alive: &alive,
        made: 0,
        held: 0,
    };
    world.run(&sequence.steps)?;
    let leaked = world.held;
    drop(world);
    prop_assert_eq!(alive.into_inner(), leaked, "values that are left");
    Ok(())
}

impl<'a> World<'a> {
    fn run(&mut self, steps: &[Step]) -> TestCaseResult {
        for step in steps {
            self.carry_out(step)
                .and_then(|()| self.compare())
                .map_err(|error| TestCaseError::fail(format!("{step:?}: {error}")))?;
        }
        Ok(())
    }

    /// All that can be asked of every handle.
    fn compare(&self) -> TestCaseResult {
        macro_rules! compare {
            ($handle:expr, $queue:expr) => {
                prop_assert_eq!($handle.len(), $queue.values.len());
                prop_assert_eq!($handle.is_empty(), $queue.values.is_empty());
                prop_assert_eq!($handle.is_closed(), $queue.closed);
                prop_assert_eq!($handle.capacity(), $queue.capacity);
                // Once the last receiver has gone, so has the buffer.
                let has_buffer = $queue.has_receivers;
                prop_assert!(!has_buffer || $handle.is_full() == $queue.is_full());
            };
        }
        for its in &self.channels {
            for sender in &its.senders {
                compare!(sender, its.queue);
            }
            for receiver in &its.receivers {
                compare!(receiver, its.queue);
            }
        }
        let queued: usize = self.channels.iter().map(|it| it.queue.values.len()).sum();
        let alive = self.alive.load(Ordering::Relaxed);
        prop_assert_eq!(alive, queued + self.held, "values that are there");
        Ok(())
    }

    fn carry_out(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Send(channel, form) => self.send(*channel, *form),
            Step::SendMany(channel, count) => self.send_many(*channel, *count),
            Step::Receive(channel, form) => self.receive(*channel, *form),
            Step::ReceiveMany(channel, most) => self.receive_many(*channel, *most),
            Step::Iterate(channel, most, waits) => self.iterate(*channel, *most, *waits),
            Step::Close(channel, sends) => self.close(*channel, *sends),
            Step::Clone(channel, sends) => {
                if let Some(handle) = self.handle(*channel, *sends) {
                    self.keep(handle);
                }
                Ok(())
            }
            Step::Drop(channel, sends) => {
                let channel = *channel;
                let its = &mut self.channels[channel];
                let handle = match *sends {
                    true => its.senders.pop().map(|it| Handle::Sender(channel, it)),
                    false => its.receivers.pop().map(|it| Handle::Receiver(channel, it)),
                };
                handle.into_iter().for_each(|handle| self.release(handle));
                Ok(())
            }
            Step::Permit(channel, used, steps) => self.permit(*channel, *used, steps),
            Step::Select(cases, biased, form, fate, steps) => {
                let handles = self.handles(cases);
                self.select(&handles, *biased, *form, *fate, steps)?;
                handles.into_iter().for_each(|handle| self.release(handle));
                Ok(())
            }
            Step::Ready(cases, biased, form) => {
                let handles = self.handles(cases);
                self.ready(&handles, *biased, *form)?;
                handles.into_iter().for_each(|handle| self.release(handle));
                Ok(())
            }
        }
    }

    fn value(&mut self) -> Value<'a> {
        self.made += 1;
        self.alive.fetch_add(1, Ordering::Relaxed);
        Value(self.made, self.alive)
    }

    /// Another handle of the channel, if there is one left.
    fn handle(&mut self, channel: usize, sends: bool) -> Option<Handle<'a>> {
        let its = &mut self.channels[channel];
        let handle = match sends {
            true => Handle::Sender(channel, its.senders.last()?.clone()),
            false => Handle::Receiver(channel, its.receivers.last()?.clone()),
        };
        its.handles[usize::from(sends)] += 1;
        Some(handle)
    }

    fn handles(&mut self, cases: &[Case]) -> Vec<Handle<'a>> {
        let handles = cases
            .iter()
            .map(|&(channel, sends)| self.handle(channel, sends));
        handles.flatten().collect()
    }

    fn keep(&mut self, handle: Handle<'a>) {
        match handle {
            Handle::Sender(channel, sender) => self.channels[channel].senders.push(sender),
            Handle::Receiver(channel, receiver) => self.channels[channel].receivers.push(receiver),
        }
    }

    /// Drops a handle. Of the last one its channel hears.
    fn release(&mut self, handle: Handle<'a>) {
        let sends = handle.sends();
        let Channel { handles, queue, .. } = &mut self.channels[handle.channel()];
        drop(handle);
        handles[usize::from(sends)] -= 1;
        match (handles[usize::from(sends)], sends) {
            (0, true) => drop(queue.close()),
            (0, false) => queue.discard(),
            _ => {}
        }
    }

    fn send(&mut self, channel: usize, form: Form) -> TestCaseResult {
        let value = self.value();
        let Channel { senders, queue, .. } = &mut self.channels[channel];
        let Some(sender) = senders.first() else {
            return Ok(());
        };
        let number = value.0;
        let form = form.unless_waits(!queue.is_ready(true));
        let (sent, returned) = send(sender, value, form);
        prop_assert_eq!(sent, queue.send(number));
        let returns = (sent != Sent::Done).then_some(number);
        prop_assert_eq!(returned.map(|value| value.0), returns, "what comes back");
        Ok(())
    }

    fn send_many(&mut self, channel: usize, count: usize) -> TestCaseResult {
        let queue = &self.channels[channel].queue;
        let count = match queue.closed {
            true => count,
            false => count.min(queue.room()),
        };
        let values: Vec<_> = (0..count).map(|_| self.value()).collect();
        let numbers: Vec<_> = values.iter().map(|value| value.0).collect();
        let Channel { senders, queue, .. } = &mut self.channels[channel];
        let Some(sender) = senders.last() else {
            return Ok(());
        };
        match sender.send_many(values) {
            Ok(sent) => {
                prop_assert_eq!(sent, count);
                for number in numbers {
                    prop_assert_eq!(queue.send(number), Sent::Done);
                }
            }
            Err(SendError((first, rest))) => {
                prop_assert!(queue.closed);
                let returned: Vec<_> = std::iter::once(first).chain(rest).collect();
                prop_assert!(returned.iter().map(|value| value.0).eq(numbers));
            }
        }
        Ok(())
    }

    fn receive(&mut self, channel: usize, form: Form) -> TestCaseResult {
        let Channel {
            receivers, queue, ..
        } = &mut self.channels[channel];
        let Some(receiver) = receivers.first() else {
            return Ok(());
        };
        let form = form.unless_waits(!queue.is_ready(false));
        prop_assert_eq!(
            receive(receiver, form, |value: Value<'_>| value.0),
            queue.receive()
        );
        Ok(())
    }

    fn receive_many(&mut self, channel: usize, most: usize) -> TestCaseResult {
        let Channel {
            receivers, queue, ..
        } = &mut self.channels[channel];
        let Some(receiver) = receivers.last().filter(|_| queue.is_ready(false)) else {
            return Ok(());
        };
        let mut values = Vec::new();
        let count = receiver.recv_many(&mut values, most);
        prop_assert_eq!(count, values.len());
        prop_assert_eq!(count, most.min(queue.values.len()));
        for value in values {
            prop_assert_eq!(Received::Value(value.0), queue.receive());
        }
        Ok(())
    }

    fn iterate(&mut self, channel: usize, most: usize, waits: bool) -> TestCaseResult {
        let Channel {
            receivers, queue, ..
        } = &mut self.channels[channel];
        let Some(receiver) = receivers.last() else {
            return Ok(());
        };
        let number = |value: Value<'_>| value.0;
        let numbers: Vec<_> = if waits && queue.closed {
            receiver.iter().take(most).map(number).collect()
        } else if waits {
            let most = most.min(queue.values.len());
            receiver
                .clone()
                .into_iter()
                .take(most)
                .map(number)
                .collect()
        } else {
            receiver.try_iter().take(most).map(number).collect()
        };
        prop_assert_eq!(numbers.len(), most.min(queue.values.len()));
        for number in numbers {
            prop_assert_eq!(Received::Value(number), queue.receive());
        }
        Ok(())
    }

    fn close(&mut self, channel: usize, sends: bool) -> TestCaseResult {
        let Channel {
            senders,
            receivers,
            queue,
            ..
        } = &mut self.channels[channel];
        let closed = match sends {
            true => senders.last().map(Sender::close),
            false => receivers.last().map(Receiver::close),
        };
        if let Some(closed) = closed {
            prop_assert_eq!(closed, queue.close());
        }
        Ok(())
    }

    fn permit(&mut self, channel: usize, used: bool, steps: &[Step]) -> TestCaseResult {
        let Some(Handle::Sender(_, sender)) = self.handle(channel, true) else {
            return Ok(());
        };
        if self.channels[channel].queue.is_ready(true) {
            match sender.reserve() {
                Err(SendError(())) => prop_assert!(self.channels[channel].queue.closed),
                Ok(permit) => {
                    let queue = &mut self.channels[channel].queue;
                    prop_assert!(!queue.closed && queue.reserve());
                    self.run(steps)?;
                    match used {
                        true => {
                            let value = self.value();
                            let number = value.0;
                            let result = permit.send(value);
                            self.keep_promise(channel, number, result)?;
                        }
                        false => {
                            drop(permit);
                            self.channels[channel].queue.unreserve();
                        }
                    }
                }
            }
        }
        self.release(Handle::Sender(channel, sender));
        Ok(())
    }

    /// A value was sent to kept room.
    fn keep_promise(
        &mut self,
        channel: usize,
        number: u32,
        result: Result<(), SendError<Value<'a>>>,
    ) -> TestCaseResult {
        let queue = &mut self.channels[channel].queue;
        queue.unreserve();
        let sent = queue.send(number);
        match result {
            Ok(()) => prop_assert_eq!(sent, Sent::Done),
            Err(SendError(value)) => {
                prop_assert_eq!(sent, Sent::Closed);
                prop_assert_eq!(value.0, number);
            }
        }
        Ok(())
    }

    /// The cases that can be done, by their index.
    fn ready_cases(&self, handles: &[Handle<'a>]) -> Vec<usize> {
        let is_ready = |handle: &Handle<'_>| {
            self.channels[handle.channel()]
                .queue
                .is_ready(handle.sends())
        };
        (0..handles.len())
            .filter(|&index| is_ready(&handles[index]))
            .collect()
    }

    fn ready(&mut self, handles: &[Handle<'a>], biased: bool, form: Form) -> TestCaseResult {
        let expected = self.ready_cases(handles);
        let mut cases = cases_of(handles, biased);
        let found = ready(&mut cases, form.unless_waits(expected.is_empty()));
        check_choice(found, &expected, biased)
    }

    fn select(
        &mut self,
        handles: &[Handle<'a>],
        biased: bool,
        form: Form,
        fate: Fate,
        steps: &[Step],
    ) -> TestCaseResult {
        let expected = self.ready_cases(handles);
        let mut cases = cases_of(handles, biased);
        let operation = select(&mut cases, form.unless_waits(expected.is_empty()));
        let chosen = operation.as_ref().map(SelectedOperation::index);
        check_choice(chosen, &expected, biased)?;
        match operation {
            Some(operation) => self.complete(operation, handles, fate, steps),
            None => Ok(()),
        }
    }

    fn complete(
        &mut self,
        operation: SelectedOperation<'_>,
        handles: &[Handle<'a>],
        fate: Fate,
        steps: &[Step],
    ) -> TestCaseResult {
        let handle = &handles[operation.index()];
        let channel = handle.channel();
        let queue = &mut self.channels[channel].queue;
        let keeps_room = handle.sends() && !queue.closed;
        let received = match handle.sends() {
            true => {
                let reserved = keeps_room && queue.reserve();
                prop_assert_eq!(reserved, keeps_room);
                None
            }
            false => Some(queue.receive()),
        };
        let holds = matches!(received, Some(Received::Value(_)));
        self.held += usize::from(holds);
        self.run(steps)?;
        if let Fate::Unwound = fate {
            let unwinds = catch_unwind(AssertUnwindSafe(|| {
                let _operation = operation;
                resume_unwind(Box::new(()));
            }));
            prop_assert!(unwinds.is_err());
            if keeps_room {
                self.channels[channel].queue.unreserve();
            }
            return Ok(());
        }
        self.held -= usize::from(holds);
        let with_clone = matches!(fate, Fate::CompletedWithClone);
        match handle {
            Handle::Sender(_, sender) => {
                let other = sender.clone();
                let value = self.value();
                let number = value.0;
                let result = operation.send(if with_clone { &other } else { sender }, value);
                if keeps_room {
                    return self.keep_promise(channel, number, result);
                }
                prop_assert_eq!(result.map_err(|error| error.0.0), Err(number));
            }
            Handle::Receiver(_, receiver) => {
                let other = receiver.clone();
                let result = operation.recv(if with_clone { &other } else { receiver });
                let result = result.map_or(Received::Closed, |value| Received::Value(value.0));
                prop_assert_eq!(Some(result), received);
            }
        }
        Ok(())
    }
}

fn cases_of<'a>(handles: &'a [Handle<'_>], biased: bool) -> Select<'a> {
    let mut cases = new_select(biased);
    handles.iter().for_each(|handle| match handle {
        Handle::Sender(_, sender) => _ = cases.send(sender),
        Handle::Receiver(_, receiver) => _ = cases.recv(receiver),
    });
    cases
}

/// One of those that are ready was chosen, the first if that is asked for; none if there
/// is none.
fn check_choice(chosen: Option<usize>, ready: &[usize], biased: bool) -> TestCaseResult {
    match chosen {
        None => prop_assert!(ready.is_empty(), "nothing was chosen of {:?}", ready),
        Some(index) => {
            prop_assert!(
                ready.contains(&index),
                "{} was chosen of {:?}",
                index,
                ready
            );
            prop_assert!(!biased || ready[0] == index, "{} was not first", index);
        }
    }
    Ok(())
}
