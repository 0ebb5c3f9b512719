//! Starting and stopping children, one after the other, and feeling their pulses.

use super::child::Shutdown;
use super::event::EventKind;
use super::exit::Exit;
use super::life;
use super::manager::{Halt, Manager, Phase, Pumped, State, Up, Watch};
use gorge_runtime::primitive::atomic::Ordering;
use gorge_runtime::time;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Manager<'_> {
    /// Starts a child that does not run, and waits until it is ready. The inner error: how
    /// it ended before.
    pub(super) fn launch(&mut self, index: usize) -> Result<Result<(), Exit>, Halt> {
        if self.is_told() {
            return Err(Halt::Told);
        }
        let incarnation = self.begin(index);
        let launched = match incarnation {
            Ok(incarnation) => self.await_ready(index, incarnation)?,
            Err(exit) => Err(exit),
        };
        match &launched {
            Ok(()) => self.tell(index, EventKind::Started),
            Err(exit) => self.tell(index, EventKind::StartFailed(exit.clone())),
        }
        Ok(launched)
    }

    fn begin(&mut self, index: usize) -> Result<u64, Exit> {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let child = &mut self.children[index];
        let running = life::start(
            &child.spec,
            &child.base,
            incarnation,
            child.starts,
            &self.handle,
        );
        let running = running.map_err(|error| Exit::Error(Arc::new(error)))?;
        child.starts += 1;
        child.born = time::now();
        let watch = child.spec.rhythm.map(|rhythm| Watch {
            phase: Phase::Beating,
            look_at: soon(rhythm.interval),
            seen: 0,
            missed: 0,
        });
        child.state = State::Up(Box::new(Up {
            incarnation,
            running,
            ready: !child.spec.says_ready,
            told: None,
            watch,
        }));
        Ok(incarnation)
    }

    fn await_ready(&mut self, index: usize, incarnation: u64) -> Result<Result<(), Exit>, Halt> {
        let timeout = self.children[index].spec.start_timeout;
        let until = timeout.and_then(time::deadline);
        loop {
            let rhythm = self.children[index].spec.rhythm;
            match &mut self.children[index].state {
                State::Up(up) if up.ready => {
                    // Its pulse counts from here on.
                    if let (Some(watch), Some(rhythm)) = (&mut up.watch, rhythm) {
                        watch.look_at = soon(rhythm.interval);
                    }
                    return Ok(Ok(()));
                }
                // It did what it had to do; the main loop hears of it.
                State::Ended(_, Exit::Normal) => return Ok(Ok(())),
                State::Ended(..) => {
                    self.ended.retain(|it| *it != incarnation);
                    let State::Ended(_, exit) = self.stopped(index) else {
                        unreachable!("matched as such");
                    };
                    return Ok(Err(exit));
                }
                _ => {}
            }
            match self.pump(until, true) {
                Pumped::Message => {}
                Pumped::Told => return Err(Halt::Told),
                Pumped::Late => {
                    self.ask_to_stop(index);
                    self.kill(index);
                    return Ok(Err(Exit::Killed));
                }
            }
        }
    }

    fn stopped(&mut self, index: usize) -> State {
        mem::replace(&mut self.children[index].state, State::Stopped)
    }

    /// Starts all children whose time has come.
    pub(super) fn start_due(&mut self) -> Result<(), Halt> {
        for index in 0..self.children.len() {
            let now = time::now();
            if matches!(self.children[index].state, State::Delayed(until) if until <= now)
                && let Err(exit) = self.launch(index)?
            {
                // The list may be another one now; the next step goes on with the rest.
                return self.restart(index, exit);
            }
        }
        Ok(())
    }

    /// Tells a child to stop, and does not wait for it.
    pub(super) fn ask_to_stop(&mut self, index: usize) {
        if let State::Up(up) = &mut self.children[index].state
            && up.told.is_none()
        {
            up.told = Some(time::now());
            up.running
                .guard
                .cancel_with("the supervisor stops its child");
        }
    }

    /// Stops a child, whatever it does, and says so if it ran. Waits for its end.
    pub(super) fn stop(&mut self, index: usize) {
        self.ask_to_stop(index);
        let until = match (
            &self.children[index].state,
            self.children[index].spec.shutdown,
        ) {
            (State::Up(_), Shutdown::Kill) => Some(time::now()),
            (State::Up(up), Shutdown::Timeout(timeout)) => {
                up.told.and_then(|told| told.checked_add(timeout))
            }
            _ => None,
        };
        let ended = match self.children[index].spec.shutdown {
            Shutdown::Kill => self.is_down(index),
            _ => self.await_end(index, until),
        };
        if !ended {
            return self.kill(index);
        }
        self.note_end(index);
    }

    /// Unwinds a child that was told to stop, and abandons it if that does not help.
    fn kill(&mut self, index: usize) {
        if let State::Up(up) = &self.children[index].state {
            up.running.goroutine.cancel();
        }
        if self.await_end(index, time::deadline(self.plan.abandon_after)) {
            return self.note_end(index);
        }
        self.stopped(index);
        self.tell(index, EventKind::Abandoned);
    }

    fn is_down(&self, index: usize) -> bool {
        !matches!(self.children[index].state, State::Up(_))
    }

    fn await_end(&mut self, index: usize, until: Option<Instant>) -> bool {
        while !self.is_down(index) {
            if self.pump(until, false) == Pumped::Late {
                return self.is_down(index);
            }
        }
        true
    }

    /// Tells of the end of a child that was stopped, unless it was down before.
    fn note_end(&mut self, index: usize) {
        if let State::Ended(incarnation, exit) = self.stopped(index) {
            self.ended.retain(|it| *it != incarnation);
            self.tell(index, EventKind::Ended(exit));
        }
    }

    /// Stops all children, the last one first; identical ones at the same time.
    pub(super) fn stop_all(&mut self) {
        if self.plan.is_simple() {
            (0..self.children.len()).for_each(|index| self.ask_to_stop(index));
        }
        (0..self.children.len())
            .rev()
            .for_each(|index| self.stop(index));
    }

    /// Looks at the pulses that are due. Who has missed too many is told to stop, then killed,
    /// then abandoned, each in its time.
    pub(super) fn feel_pulses(&mut self) -> Result<(), Halt> {
        for index in 0..self.children.len() {
            match self.due(index) {
                None => {}
                Some(Phase::Beating) => self.feel_pulse(index),
                Some(Phase::Told) => {
                    if let State::Up(up) = &self.children[index].state {
                        up.running.goroutine.cancel();
                    }
                    self.enter(index, Phase::Killed, self.plan.abandon_after);
                }
                Some(Phase::Killed) => {
                    self.stopped(index);
                    self.tell(index, EventKind::Abandoned);
                    // The list may be another one now; the next step goes on with the rest.
                    return self.decide(index, Exit::Killed);
                }
            }
        }
        Ok(())
    }

    /// The phase of a child whose next step is due.
    fn due(&self, index: usize) -> Option<Phase> {
        let State::Up(up) = &self.children[index].state else {
            return None;
        };
        let watch = up.watch.as_ref()?;
        (watch.look_at <= time::now()).then_some(watch.phase)
    }

    fn enter(&mut self, index: usize, phase: Phase, lasts: Duration) {
        if let State::Up(up) = &mut self.children[index].state
            && let Some(watch) = &mut up.watch
        {
            watch.phase = phase;
            watch.look_at = soon(lasts);
        }
    }

    fn feel_pulse(&mut self, index: usize) {
        let child = &mut self.children[index];
        let (State::Up(up), Some(rhythm)) = (&mut child.state, child.spec.rhythm) else {
            return;
        };
        let Some(watch) = &mut up.watch else {
            return;
        };
        watch.look_at = soon(rhythm.interval);
        // Relaxed: no data hangs on the number.
        let beats = up.running.beats.load(Ordering::Relaxed);
        if beats != mem::replace(&mut watch.seen, beats) {
            watch.missed = 0;
            return;
        }
        watch.missed += 1;
        let missed = watch.missed;
        self.tell(index, EventKind::MissedPulse(missed));
        if missed >= rhythm.misses {
            self.ask_to_stop(index);
            let lasts = match self.children[index].spec.shutdown {
                Shutdown::Kill => Duration::ZERO,
                Shutdown::Timeout(timeout) => timeout,
                Shutdown::Infinity => Duration::MAX,
            };
            self.enter(index, Phase::Told, lasts);
        }
    }
}

/// So long from now, or very long if the clock cannot tell.
pub(super) fn soon(duration: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    time::deadline(duration).unwrap_or_else(|| time::now() + YEAR)
}
