//! The machines of the models: threads that run what there is, and fall asleep.

use super::super::crew::{Crew, NEVER};
use super::super::permits::{ACTIVE, LOST, Rise, Standings};
use super::super::sleeper::Sleeper;
use super::world::{Block, Node, World};
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::rc::Rc;

/// A machine as its thread has it.
pub(super) struct Machine {
    world: Rc<World>,
    number: u32,
    searching: Cell<bool>,
    watches: Cell<bool>,
    queue: RefCell<VecDeque<NonNull<Node>>>,
    has_left: Cell<bool>,
}

impl Machine {
    pub(super) fn new(world: Rc<World>, number: u32) -> Machine {
        Machine {
            world,
            number,
            searching: Cell::new(false),
            watches: Cell::new(false),
            queue: RefCell::default(),
            has_left: Cell::new(false),
        }
    }

    pub(super) fn search_at_first(&self) {
        self.searching.set(true);
        self.begin_tenure();
        self.live();
    }

    pub(super) fn sleep_at_first(&self) {
        if self.sleep_until_needed(false, true) {
            self.live();
        } else {
            self.finish();
        }
    }

    /// A thread's life, as in `worker` and `search`.
    fn live(&self) {
        loop {
            if self.world.of(self.number).load(Ordering::Acquire) == LOST {
                self.regain_permit();
            }
            if self.find() {
                self.end_search();
                self.run();
            } else if self.world.is_over() || !self.rest(false, true) {
                break;
            }
        }
        self.finish();
    }

    pub(super) fn live_apart(&self) {
        while !self.world.is_over() {
            self.drain_inbox();
            let standing = self.world.of(self.number).load(Ordering::Acquire);
            if standing == ACTIVE && self.queue.borrow_mut().pop_front().is_some() {
                self.run();
            } else {
                self.rest_apart();
            }
        }
        self.finish();
    }

    fn finish(&self) {
        let permits = &self.world.permits;
        if self.searching.replace(false) {
            permits.stop_search();
        }
        if !self.has_left.get() {
            self.world.unpark(permits.vacate(self.number, self.crew()));
        }
    }

    fn find(&self) -> bool {
        self.drain_inbox();
        let found = self.queue.borrow_mut().pop_front().is_some();
        found || self.world.expire() || self.world.take_common() || self.search()
    }

    fn search(&self) -> bool {
        if !self.searching.get() {
            if !self.world.permits.try_search() {
                return false;
            }
            self.searching.set(true);
        }
        self.world.take_common()
    }

    /// Runs one piece of work with the permit.
    fn run(&self) {
        let world = &self.world;
        if let Some(block) = world.blocks.take()
            && !self.block(block)
        {
            // It gives way, to be run by whoever has a permit.
            world.post();
            return self.regain_permit();
        }
        world.running.set(world.running.get() + 1);
        assert!(world.running.get() <= world.running_max.get());
        world.pass_a_moment();
        world.running.set(world.running.get() - 1);
        world.count_done();
    }
}

impl Machine {
    /// Runs what blocks the thread, as `cover` and `uncover` do. False when the
    /// permit was taken away meanwhile, and no other is free.
    fn block(&self, block: Block) -> bool {
        let place = self.world.place(self.number);
        place.steps.store(1, Ordering::Release);
        match block {
            Block::AMoment => self.world.pass_a_moment(),
            Block::UntilTheLast => {
                self.world.monitor.unpark();
                self.world.blocked.park();
            }
        }
        place.steps.store(2, Ordering::Release);
        barrier::light();
        let permits = &self.world.permits;
        place.standing.load(Ordering::Acquire) == ACTIVE
            || permits.stand_up(self.number, true, false, self.crew()) != Rise::Idle
    }
}

impl Sleeper for Machine {
    type Crew = World;

    fn crew(&self) -> &World {
        &self.world
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn searching(&self) -> &Cell<bool> {
        &self.searching
    }

    fn announce_sleep(&self) -> bool {
        self.world.place(self.number).inbox.begin_sleep()
    }

    fn drain_inbox(&self) {
        let place = self.world.place(self.number);
        place.inbox.drain(&mut self.queue.borrow_mut());
    }

    fn has_homed_work(&self) -> bool {
        !self.queue.borrow().is_empty() || self.world.place(self.number).inbox.has_delivery()
    }

    fn has_common_work(&self) -> bool {
        self.world.has_work()
    }

    fn is_over(&self) -> bool {
        self.world.is_over()
    }

    fn park(&self) {
        self.world.place(self.number).parker.park();
    }

    fn sleep(&self, _: bool, polls: bool) -> bool {
        if self.watches.get() {
            // A nap, which is over.
            self.world.pass_a_moment();
        } else if polls {
            match self.announce_poll() {
                Some(NEVER) | None => self.park(),
                Some(_) => {}
            }
            self.world.permits.poll(self.number, 0);
        } else if self.world.lingers.get() {
            return false;
        } else {
            self.park();
        }
        true
    }

    fn begin_watch(&self) {
        let world = &self.world;
        let begins =
            world.watches_left.get() > 0 && !world.is_owner_watched.swap(true, Ordering::Relaxed);
        if begins {
            world.watches_left.set(world.watches_left.get() - 1);
        }
        self.watches.set(begins);
    }

    fn is_watching(&self) -> bool {
        self.watches.get()
    }

    fn is_work_elsewhere(&self) -> bool {
        self.world.has_work()
    }

    fn end_watch(&self) -> bool {
        let watched = self.watches.replace(false);
        if watched {
            self.world.is_owner_watched.store(false, Ordering::Relaxed);
        }
        watched
    }

    fn pass_on_what_is_due(&self) {
        if self.world.expire() {
            self.world.post();
        }
    }

    fn leave(&self) -> bool {
        let left = self.world.permits.leave(self.number, &*self.world);
        self.has_left.set(left);
        left
    }

    fn end_tenure(&self) {}

    /// As the monitor's `see_activity`.
    fn begin_tenure(&self) {
        let world = &self.world;
        if world.is_monitored.get() {
            barrier::light();
            if world.monitor_asleep.load(Ordering::Relaxed) {
                world.monitor.unpark();
            }
        }
    }
}
