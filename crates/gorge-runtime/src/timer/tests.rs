//! The timers against a model of what waits for what, alone and concurrently.

use super::heap::{Entry, Heap};
use super::{NEVER, SWEEP_MIN, Timers, is_abandoned};
use crate::goroutine::{G, GRef, Store};
use crate::park::{Outcome, PARKED, WaitReason};
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::primitive::thread::yield_now;
use proptest::prelude::*;
use std::ptr::{NonNull, without_provenance_mut};
use std::sync::Weak;
use std::thread;

/// Gs without a runtime, and two processors' timers.
struct World {
    timers: [Timers; 2],
    gs: Vec<GRef>,
    _store: Store,
}

// SAFETY: Gs are `Sync` and live as long as the store.
unsafe impl Sync for World {}

impl World {
    fn new(gs: usize) -> World {
        let store = Store::default();
        World {
            timers: [Timers::new(), Timers::new()],
            gs: (0..gs).map(|_| store.take_one(&Weak::new())).collect(),
            _store: store,
        }
    }

    fn g(&self, g: usize) -> &G {
        // SAFETY: the store keeps the G.
        unsafe { self.gs[g].as_ref() }
    }

    /// What a goroutine does that waits, and its machine after it. The ticket
    /// of the wait.
    fn wait(&self, g: usize, heap: usize, deadline: Option<u64>) -> u32 {
        let ticket = self.g(g).cell.begin(WaitReason::Sleep, 0, 0);
        if let Some(when) = deadline {
            // SAFETY: the wait has begun; there is one store.
            unsafe { self.timers[heap].arm(self.gs[g], when) }
        }
        ticket
    }

    /// What a waker does: true when it has ended the wait.
    fn wake(&self, g: usize, ticket: u32) -> bool {
        self.g(g).cell.claim(ticket, Outcome::Woken(0).to_token())
    }

    /// What a goroutine does when it continues after a wait with a deadline.
    fn resume(&self, g: usize) {
        self.g(g).timer.disarm();
    }

    fn expire(&self, heap: usize, now: u64) -> Vec<usize> {
        let mut expired = Vec::new();
        self.timers[heap].expire(now, &mut expired);
        let place = |g| self.gs.iter().position(|&other| other == g);
        expired
            .into_iter()
            .map(|g| place(g).expect("one of ours"))
            .collect()
    }

    fn entries(&self) -> usize {
        let len = |timers: &Timers| timers.queue.lock().heap.len();
        self.timers.iter().map(len).sum()
    }

    fn earliest(&self) -> u64 {
        self.timers[0].earliest().min(self.timers[1].earliest())
    }
}

#[test]
fn a_deadline_ends_a_wait_when_it_is_reached_and_not_before() {
    let world = World::new(1);
    world.wait(0, 0, Some(100));
    assert_eq!(world.earliest(), 100);
    assert_eq!(world.expire(0, 99), []);
    assert_eq!(world.expire(0, 100), [0]);
    assert_eq!(world.g(0).cell.load().token(), Outcome::TimedOut.to_token());
    assert_eq!((world.earliest(), world.entries()), (NEVER, 0));
}

#[test]
fn a_deadline_that_never_comes_takes_no_entry() {
    let world = World::new(1);
    world.wait(0, 0, Some(NEVER));
    assert_eq!(world.entries(), 0);
    assert_eq!(world.expire(0, NEVER - 1), []);
}

#[test]
fn waits_that_end_early_share_one_entry() {
    let world = World::new(1);
    for i in 0..100_000 {
        let ticket = world.wait(0, i as usize % 2, Some(1_000_000 + i));
        assert!(world.wake(0, ticket));
        world.resume(0);
    }
    assert_eq!(world.entries(), 1);
    assert_eq!(world.expire(0, 2_000_000), []);
    assert_eq!((world.earliest(), world.entries()), (NEVER, 0));
}

#[test]
fn an_abandoned_entry_comes_up_once() {
    let world = World::new(1);
    let ticket = world.wait(0, 0, Some(100));
    assert!(world.wake(0, ticket));
    world.resume(0);
    world.wait(0, 0, None);
    assert_eq!(world.expire(0, 100), []);
    assert_eq!(world.earliest(), NEVER);
    assert!(world.g(0).cell.load().has(PARKED), "it waits on");
}

#[test]
fn an_entry_that_comes_up_early_goes_to_the_deadline() {
    let world = World::new(1);
    let ticket = world.wait(0, 0, Some(100));
    assert!(world.wake(0, ticket));
    world.resume(0);
    world.wait(0, 1, Some(500));
    assert_eq!(world.expire(0, 100), []);
    assert_eq!((world.earliest(), world.entries()), (500, 1));
    assert_eq!(world.expire(0, 500), [0]);
}

#[test]
fn the_first_wait_is_found_behind_entries_that_no_wait_relies_on() {
    let world = World::new(3);
    for (g, deadline) in [(0, 10), (1, 20), (2, 300)] {
        let ticket = world.wait(g, 0, Some(deadline));
        if g < 2 {
            assert!(world.wake(g, ticket));
            world.resume(g);
        }
    }
    world.wait(0, 0, Some(200));
    let timers = &world.timers[0];
    let (when, due) = timers.take_first().expect("two wait");
    assert_eq!((when, timers.earliest(), world.entries()), (200, 300, 1));
    assert!(due.is_waiting());
    assert_eq!(due.end(), Some(world.gs[0]));
    assert!(!due.is_waiting() && due.end().is_none());
    assert_eq!(timers.take_first().map(|(when, _)| when), Some(300));
    assert!(timers.take_first().is_none());
}

#[test]
fn an_early_entry_does_not_overtake_those_due_before_its_deadline() {
    let world = World::new(2);
    let ticket = world.wait(0, 0, Some(100));
    assert!(world.wake(0, ticket));
    world.resume(0);
    world.wait(0, 0, Some(500));
    world.wait(1, 0, Some(400));
    assert_eq!(world.expire(0, 1000), [1, 0]);
}

#[test]
fn deadlines_that_get_earlier_leave_few_entries_behind() {
    let world = World::new(10);
    for i in 0..100_000 {
        let g = i as usize % 10;
        // Never due here, and each time before the one that is there.
        for when in [2_000_000 - i, 1_000_000 - i] {
            let ticket = world.wait(g, i as usize / 10 % 2, Some(when));
            assert!(world.wake(g, ticket));
            world.resume(g);
        }
    }
    assert!(world.entries() <= 2 * SWEEP_MIN);
}

/// What happens to one of the goroutines, or to all.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(usize, usize, u64),
    WaitForEver(usize),
    Wake(usize),
    StartAnew(usize),
    Pass(u64),
    Sweep,
}

/// What a goroutine does, as the model knows it.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Running,
    Waiting(u32, Option<u64>),
}

const GS: usize = 6;

fn step() -> impl Strategy<Value = Step> {
    let delay = prop_oneof![0u64..4, 0u64..100, 0u64..10_000];
    prop_oneof![
        6 => (0..GS, 0usize..2, delay.clone()).prop_map(|(g, heap, delay)| Step::Wait(g, heap, delay)),
        1 => (0..GS).prop_map(Step::WaitForEver),
        4 => (0..GS).prop_map(Step::Wake),
        1 => (0..GS).prop_map(Step::StartAnew),
        3 => delay.prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

struct Model {
    world: World,
    now: u64,
    doing: [Doing; GS],
}

impl Model {
    fn apply(&mut self, step: Step) {
        match step {
            Step::Wait(g, heap, delay) if self.doing[g] == Doing::Running => {
                let deadline = Some(self.now + delay);
                self.doing[g] = Doing::Waiting(self.world.wait(g, heap, deadline), deadline);
            }
            Step::WaitForEver(g) if self.doing[g] == Doing::Running => {
                self.doing[g] = Doing::Waiting(self.world.wait(g, 0, None), None);
            }
            Step::Wake(g) => {
                if let Doing::Waiting(ticket, deadline) = self.doing[g] {
                    assert!(self.world.wake(g, ticket));
                    if deadline.is_some() {
                        self.world.resume(g);
                    }
                    self.doing[g] = Doing::Running;
                }
            }
            Step::StartAnew(g) if self.doing[g] == Doing::Running => {
                self.world.g(g).cell.end();
                self.world.g(g).cell.restart();
            }
            Step::Pass(time) => self.pass(time),
            Step::Sweep => {
                for timers in &self.world.timers {
                    let keep = |entry: &Entry| !is_abandoned(entry);
                    timers.queue.lock().heap.retain(keep);
                }
            }
            _ => {}
        }
    }

    fn deadline(&self, g: usize) -> u64 {
        match self.doing[g] {
            Doing::Waiting(_, deadline) => deadline.unwrap_or(NEVER),
            Doing::Running => NEVER,
        }
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        for heap in 0..2 {
            let expired = self.world.expire(heap, self.now);
            assert!(expired.is_sorted_by_key(|&g| self.deadline(g)));
            for g in expired {
                assert!(self.deadline(g) <= self.now, "not early");
                self.world.resume(g);
                self.doing[g] = Doing::Running;
            }
        }
        for g in 0..GS {
            assert!(self.deadline(g) > self.now, "not forgotten");
            assert!(self.world.earliest() <= self.deadline(g), "looked after");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_wait_ends_at_its_deadline(steps in prop::collection::vec(step(), 1..300)) {
        let world = World::new(GS);
        let mut model = Model { world, now: 0, doing: [Doing::Running; GS] };
        steps.into_iter().for_each(|step| model.apply(step));
        model.pass(10_000);
    }

    #[test]
    fn a_heap_yields_what_it_holds_in_order(
        keys in prop::collection::vec(1u64..1000, 0..200),
        later in prop::collection::vec(0u64..1000, 0..50),
        odd in any::<bool>(),
    ) {
        let mut heap = Heap::new();
        let mut held = keys.clone();
        keys.iter().for_each(|&key| heap.push(entry(key)));
        for delay in later.into_iter().take(keys.len()) {
            let first = heap.earliest();
            heap.postpone_first(first + delay);
            held.sort_unstable();
            held[0] += delay;
        }
        heap.retain(|entry| entry.key % 2 == u64::from(odd));
        held.retain(|key| key % 2 == u64::from(odd));
        held.sort_unstable();
        prop_assert_eq!(heap.len(), held.len());
        for key in held {
            prop_assert_eq!(heap.due(key - 1).map(|entry| entry.key), None);
            prop_assert_eq!(heap.due(key).map(|entry| entry.key), Some(key));
            heap.remove_first();
        }
        prop_assert_eq!(heap.earliest(), NEVER);
    }
}

/// A heap does not look at its Gs.
fn entry(key: u64) -> Entry {
    let g = NonNull::new(without_provenance_mut(8)).expect("not null");
    Entry { key, g }
}

/// A clock that jumps a little at each look, and goroutines that continue.
struct Race {
    world: World,
    clock: AtomicU64,
    continued: Vec<AtomicBool>,
    is_over: AtomicBool,
}

const ROUNDS: u64 = if cfg!(debug_assertions) {
    20_000
} else {
    100_000
};

#[test]
fn waits_end_at_their_deadlines_whoever_expires_them() {
    let race = Race {
        world: World::new(3),
        clock: AtomicU64::new(0),
        continued: (0..3).map(|_| AtomicBool::new(false)).collect(),
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let goroutines: Vec<_> = (0..3)
            .map(|g| {
                scope.spawn({
                    let race = &race;
                    move || race.goroutine(g)
                })
            })
            .collect();
        for first in 0..2 {
            let race = &race;
            scope.spawn(move || race.expire_until_over(first));
        }
        for goroutine in goroutines {
            goroutine.join().expect("no deadline was early");
        }
        race.is_over.store(true, Ordering::Relaxed);
    });
    assert!(race.world.entries() <= 2 * 2 * SWEEP_MIN);
}

impl Race {
    /// Waits in all kinds of ways; what comes next hangs on a lost deadline.
    fn goroutine(&self, g: usize) {
        let mut state = g as u64 + 1;
        for _ in 0..ROUNDS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let delay = [2, 20, 200, 1_000_000][state as usize % 4];
            let heap = (state >> 8) as usize % 2;
            let when = self.clock.load(Ordering::Relaxed) + delay;
            let is_woken = delay > 1000 || (state >> 16).is_multiple_of(2);
            let ticket = self.world.wait(g, heap, Some(when));
            if !is_woken || !self.world.wake(g, ticket) {
                self.sleep(g);
                assert!(self.clock.load(Ordering::Relaxed) >= when, "not early");
            }
            self.world.resume(g);
        }
    }

    /// As a machine would, it expires timers meanwhile, whosoever they are.
    fn sleep(&self, g: usize) {
        // Acquire: pairs with the Release in `expire`, in the place of a queue.
        while !self.continued[g].swap(false, Ordering::Acquire) {
            self.expire(g % 2);
        }
    }

    fn expire_until_over(&self, first: usize) {
        while !self.is_over.load(Ordering::Relaxed) {
            self.expire(first);
            yield_now();
        }
    }

    fn expire(&self, first: usize) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        for heap in [first, 1 - first] {
            for g in self.world.expire(heap, now) {
                self.continued[g].store(true, Ordering::Release);
            }
        }
    }
}
