//! What the goroutines of a program share, and how they carry their operations out.

use crate::ledger::{LEFT, Ledger, RECEIVED, RETURNED, Value};
use crate::program::{Fate, Form, MUTEXES, ONCES, Op, PERMITS, Program};
use gorge_channel::{Receiver, Sender, bounded, unbounded};
use gorge_runtime::{JoinError, JoinHandle, blocking, cancel, checkpoint, goroutine};
use gorge_runtime::{scope, shield, yield_now};
use gorge_sync::{Mutex, Once, OnceState, Semaphore, WaitGroup};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// See the module's description.
pub(crate) struct World {
    pub(crate) ledger: Arc<Ledger>,
    channels: Vec<(Sender<Value>, Receiver<Value>)>,
    mutexes: [Mutex<Held>; MUTEXES],
    onces: [(Once, AtomicUsize); ONCES],
    group: WaitGroup,
    semaphore: Semaphore,
    /// The first goroutines, for whoever cancels one.
    handles: parking_lot::Mutex<Vec<JoinHandle<usize>>>,
}

/// What a mutex guards: whether somebody is inside.
#[derive(Default)]
struct Held(bool);

/// Is inside while it is there.
struct Inside<'a>(&'a mut Held);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0 = false;
    }
}

/// Counts down when it is dropped.
struct CountedIn<'a>(&'a WaitGroup);

impl Drop for CountedIn<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// Whether a goroutine came to its end, for whoever joins it.
#[derive(Clone, Default)]
struct End(Arc<AtomicBool>);

impl World {
    pub(crate) fn new(program: &Program) -> World {
        let channel = |capacity: &Option<usize>| capacity.map_or_else(unbounded, bounded);
        World {
            ledger: Ledger::new(),
            channels: program.capacities.iter().map(channel).collect(),
            mutexes: Default::default(),
            onces: Default::default(),
            group: WaitGroup::new(),
            semaphore: Semaphore::new(PERMITS),
            handles: parking_lot::Mutex::default(),
        }
    }

    /// Starts a goroutine, which returns how many operations it has done.
    fn start(self: &Arc<World>, ops: Vec<Op>, rounds: usize) -> (JoinHandle<usize>, End) {
        let (world, end) = (self.clone(), End::default());
        let ends = end.clone();
        let handle = gorge_runtime::go(move || {
            (0..rounds).for_each(|_| world.run(&ops));
            drop(world);
            ends.0.store(true, Ordering::SeqCst);
            ops.len() * rounds
        });
        (handle, end)
    }

    /// Starts the program's goroutines, cancels some of them, and waits for all.
    pub(crate) fn carry_out(self: &Arc<World>, program: &Program) {
        let mut ends = Vec::new();
        for ops in &program.goroutines {
            let (handle, end) = self.start(ops.clone(), program.rounds);
            self.handles.lock().push(handle);
            ends.push(end);
        }
        for it in &program.cancels {
            (0..it.delay).for_each(|_| yield_now());
            if it.from_a_thread {
                blocking(|| self.cancel(it.whom));
            } else {
                self.cancel(it.whom);
            }
        }
        for (sender, _) in &self.channels {
            (0..4).for_each(|_| yield_now());
            sender.close();
        }
        if program.ends_by_cancel {
            (0..program.goroutines.len()).for_each(|whom| self.cancel(whom));
        }
        // Those that cancel each other find nobody any more.
        let handles = std::mem::take(&mut *self.handles.lock());
        for (handle, end) in handles.into_iter().zip(ends) {
            let result = handle.join();
            self.check_end(result, &end);
        }
    }

    fn cancel(&self, whom: usize) {
        if let Some(handle) = self.handles.lock().get(whom) {
            handle.cancel();
        }
    }

    /// A goroutine gives a value exactly if it came to its end.
    fn check_end(&self, result: Result<usize, JoinError>, end: &End) {
        let has_ended = end.0.load(Ordering::SeqCst);
        match result {
            Ok(_) if has_ended => {}
            Err(error) if error.is_cancelled() && !has_ended => {}
            other => self
                .ledger
                .complain(format!("joined as {other:?}, ended: {has_ended}")),
        }
    }

    fn run(self: &Arc<World>, ops: &[Op]) {
        ops.iter().for_each(|op| self.carry_out_one(op));
    }

    fn carry_out_one(self: &Arc<World>, op: &Op) {
        match op {
            Op::Send(channel, form) => self.send(*channel, *form),
            Op::Receive(channel, form) => self.receive(*channel, *form),
            Op::Iterate(channel, form, most) => self.iterate(*channel, *form, *most),
            Op::Close(channel) => drop(self.channels[*channel].0.close()),
            Op::Yield => yield_now(),
            Op::Checkpoint => checkpoint(),
            Op::Sleep(micros) => goroutine::sleep(Duration::from_micros(*micros)),
            Op::Blocking => blocking(yield_now),
            Op::Cancel(whom) => self.cancel(*whom),
            Op::Lock(mutex, form, inner) => self.lock(*mutex, *form, inner),
            Op::Permits(n, form, inner) => self.with_permits(*n, *form, inner),
            Op::Once(once, inner) => {
                let (once, runs) = &self.onces[*once];
                once.call_once(|| {
                    self.run(inner);
                    runs.fetch_add(1, Ordering::SeqCst);
                });
                if runs.load(Ordering::SeqCst) != 1 {
                    self.ledger.complain("an initialiser ran not once".into());
                }
            }
            Op::Counted(inner) => {
                self.group.add(1);
                let _counted = CountedIn(&self.group);
                self.run(inner);
            }
            Op::GroupGo(inner) => {
                let (world, inner) = (self.clone(), inner.clone());
                drop(self.group.go(move || world.run(&inner)));
            }
            Op::GroupWait(Form::Waits) => self.group.wait(),
            Op::GroupWait(Form::Timed(micros)) => {
                let _ = self.group.wait_timeout(Duration::from_micros(*micros));
            }
            Op::GroupWait(Form::Tries) => {
                let _ = self.group.wait_timeout(Duration::ZERO);
            }
            Op::Spawn(inner, fate) => self.spawn(inner, *fate),
            Op::Scope(children) => scope(|s| {
                for ops in children {
                    drop(s.spawn(move || self.run(ops)));
                }
            }),
            Op::Shield(inner) => shield(|| self.run(inner)),
            Op::Catch(inner) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.run(inner)))
                    && !cancel::is_cancel(&*payload)
                {
                    resume_unwind(payload);
                }
            }
        }
    }

    fn send(&self, channel: usize, form: Form) {
        let value = self.ledger.value();
        let number = value.number();
        let sender = &self.channels[channel].0;
        let returned = match form {
            Form::Waits => sender.send(value).err().map(|it| it.into_inner()),
            Form::Timed(micros) => sender
                .send_timeout(value, Duration::from_micros(micros))
                .err()
                .map(|it| it.into_inner()),
            Form::Tries => sender.try_send(value).err().map(|it| it.into_inner()),
        };
        match returned {
            None => self.ledger.note_sent(number),
            Some(value) if value.number() == number => value.note(RETURNED),
            Some(_) => self.ledger.complain("another value came back".into()),
        }
    }

    fn receive(&self, channel: usize, form: Form) {
        let receiver = &self.channels[channel].1;
        let value = match form {
            Form::Waits => receiver.recv().ok(),
            Form::Timed(micros) => receiver.recv_timeout(Duration::from_micros(micros)).ok(),
            Form::Tries => receiver.try_recv().ok(),
        };
        if let Some(value) = value {
            value.note(RECEIVED);
        }
    }

    fn iterate(&self, channel: usize, form: Form, most: usize) {
        let receiver = &self.channels[channel].1;
        let note = |value: Value| value.note(RECEIVED);
        match form {
            Form::Waits => receiver.iter().take(most).for_each(note),
            Form::Tries => receiver.try_iter().take(most).for_each(note),
            Form::Timed(_) => receiver.clone().into_iter().take(most).for_each(note),
        }
    }

    fn lock(self: &Arc<World>, mutex: usize, form: Form, inner: &[Op]) {
        let mutex = &self.mutexes[mutex];
        let guard = match form {
            Form::Waits => Some(mutex.lock()),
            Form::Timed(micros) => mutex.try_lock_for(Duration::from_micros(micros)),
            Form::Tries => mutex.try_lock(),
        };
        if let Some(mut held) = guard {
            if std::mem::replace(&mut held.0, true) {
                self.ledger.complain("two hold one mutex".into());
            }
            let _inside = Inside(&mut held);
            self.run(inner);
        }
    }

    fn with_permits(self: &Arc<World>, n: usize, form: Form, inner: &[Op]) {
        let permit = match form {
            Form::Waits => self.semaphore.acquire_many(n).ok(),
            Form::Timed(micros) => {
                let patience = Duration::from_micros(micros);
                self.semaphore.acquire_many_timeout(n, patience).ok()
            }
            Form::Tries => self.semaphore.try_acquire_many(n).ok(),
        };
        if permit.is_some() {
            self.run(inner);
        }
    }

    fn spawn(self: &Arc<World>, inner: &[Op], fate: Fate) {
        let (handle, end) = self.start(inner.to_vec(), 1);
        if matches!(fate, Fate::CancelledAndJoined | Fate::CancelledAndDetached) {
            handle.cancel();
        }
        if matches!(fate, Fate::Joined | Fate::CancelledAndJoined) {
            let result = handle.join();
            self.check_end(result, &end);
        }
    }

    /// Whatever is not as it should be once all goroutines have ended.
    pub(crate) fn audit(self) -> Vec<String> {
        for (_, receiver) in &self.channels {
            receiver.try_iter().for_each(|value| value.note(LEFT));
        }
        drop(self.channels);
        for mutex in &self.mutexes {
            if mutex.try_lock().is_none_or(|held| held.0) {
                self.ledger.complain("a mutex is not free".into());
            }
        }
        if !self.group.wait_timeout(Duration::ZERO) {
            self.ledger.complain("the group still counts".into());
        }
        if self.semaphore.try_acquire_many(PERMITS).is_err() {
            self.ledger.complain("a permit was not given back".into());
        }
        for (once, runs) in &self.onces {
            let state = match runs.load(Ordering::SeqCst) {
                0 => OnceState::New,
                _ => OnceState::Done,
            };
            if once.state() != state {
                self.ledger
                    .complain(format!("a Once is {:?}, not {state:?}", once.state()));
            }
            once.call_once(|| {});
        }
        self.ledger.audit()
    }
}
