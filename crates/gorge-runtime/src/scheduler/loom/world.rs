//! The world of the models: machines that run work which is only counted, with
//! the scheduler's own code for everything about falling asleep and waking up.

use super::super::crew::{Crew, NEVER};
use super::super::inbox::{Inbox, Linked};
use super::super::permits::{Grant, Permits, Standings};
use super::machine::Machine;
use super::parker::Parker;
use crate::primitive::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use crate::primitive::barrier;
use loom::thread;
use std::cell::{Cell, RefCell};
use std::ptr::{NonNull, null_mut};
use std::rc::Rc;

/// How many machines a world has room for: loom's limit of threads.
const PLACES: u32 = 3;

/// Homed work.
pub(super) struct Node {
    next: AtomicPtr<Node>,
}

impl Linked for Node {
    fn next(&self) -> &AtomicPtr<Node> {
        &self.next
    }
}

/// What others touch of a machine.
pub(super) struct Place {
    pub(super) standing: AtomicU32,
    pub(super) inbox: Inbox<Node>,
    pub(super) parker: Parker,
    /// Odd in a closure that may block.
    pub(super) steps: AtomicU32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    AMoment,
    UntilTheLast,
}

/// A runtime. Cells hold what the models count: loom's threads share one
/// thread of the system, so that they are exact, and order nothing.
pub(super) struct World {
    pub(super) permits: Permits,
    places: Vec<Place>,
    common: AtomicUsize,
    /// When the only timer is due, or never.
    timer: AtomicU64,
    /// The monitor sleeps until a machine becomes active.
    pub(super) monitor_asleep: AtomicBool,
    pub(super) monitor: Parker,
    /// Where a machine is that runs something, for others to come between.
    moment: AtomicU32,
    node: Node,
    left: Cell<usize>,
    pub(super) running: Cell<usize>,
    pub(super) running_max: Cell<usize>,
    /// A machine that has lingered ends.
    pub(super) lingers: Cell<bool>,
    /// The next piece of work blocks its thread for a while, or until all others
    /// are done.
    pub(super) blocks: Cell<Option<Block>>,
    pub(super) blocked: Parker,
    /// The monitor is there.
    pub(super) is_monitored: Cell<bool>,
    /// Somebody looks now and then for what is posted quietly.
    pub(super) is_owner_watched: AtomicBool,
    /// So often may a machine begin that.
    pub(super) watches_left: Cell<u32>,
    threads: RefCell<Vec<thread::JoinHandle<()>>>,
    this: std::rc::Weak<World>,
}

impl World {
    /// A world with so many permits, in which so many pieces of work will be
    /// run.
    pub(super) fn new(limit: usize, work: usize) -> Rc<World> {
        Rc::new_cyclic(|this| World {
            permits: Permits::new(limit, PLACES),
            places: (0..PLACES).map(|_| Place::new()).collect(),
            common: AtomicUsize::new(0),
            timer: AtomicU64::new(NEVER),
            monitor_asleep: AtomicBool::new(false),
            monitor: Parker::new(),
            moment: AtomicU32::new(0),
            node: Node {
                next: AtomicPtr::new(null_mut()),
            },
            left: Cell::new(work),
            running: Cell::new(0),
            running_max: Cell::new(limit),
            lingers: Cell::new(false),
            blocks: Cell::new(None),
            blocked: Parker::new(),
            is_monitored: Cell::new(false),
            is_owner_watched: AtomicBool::new(false),
            watches_left: Cell::new(0),
            threads: RefCell::new(Vec::new()),
            this: this.clone(),
        })
    }

    /// Starts a machine that has nothing to do, and counts as searching.
    pub(super) fn start_machine(&self) -> u32 {
        assert!(self.permits.begin_wake());
        let Grant::Start(number) = self.permits.grant(self, true) else {
            unreachable!("a permit is free, and nobody sleeps")
        };
        assert!(self.start(number));
        number
    }

    /// Starts a machine that is about to sleep.
    pub(super) fn add_idle_machine(&self) -> u32 {
        let number = self.permits.admit(self).unwrap();
        assert_eq!(self.permits.lie_down(number, self).handed, None);
        self.spawn(number, Machine::sleep_at_first);
        number
    }

    /// Starts a machine that takes no work but its own.
    pub(super) fn add_machine_apart(&self) -> u32 {
        let number = self.permits.admit(self).unwrap();
        self.spawn(number, Machine::live_apart);
        number
    }

    fn spawn(&self, number: u32, life: fn(&Machine)) {
        let world = self.this.upgrade().unwrap();
        let thread = thread::spawn(move || life(&Machine::new(world, number)));
        self.threads.borrow_mut().push(thread);
    }

    /// Monitor: takes the permit of a machine that it saw block.
    pub(super) fn take_away(&self, number: u32) {
        let taken = self.permits.take_away(number, self, || {
            barrier::heavy();
            self.place(number).steps.load(Ordering::Acquire) % 2 == 1
        });
        if let Some(handed) = taken {
            self.unpark(handed);
            self.look_after_release();
        }
    }

    /// Monitor: sleeps while nobody has a permit.
    pub(super) fn sleep_while_idle(&self) {
        self.monitor_asleep.store(true, Ordering::Relaxed);
        barrier::heavy();
        if self.permits.all_free() && !self.is_over() {
            self.monitor.park();
        }
    }

    /// Queues work for any machine.
    pub(super) fn post(&self) {
        self.common.fetch_add(1, Ordering::Release);
        self.notify();
    }

    /// Queues work where its owner may come to it, unless he runs for long.
    pub(super) fn post_quietly(&self) {
        self.common.fetch_add(1, Ordering::Release);
        self.notify_unless(|| self.is_owner_watched.load(Ordering::Relaxed));
    }

    /// Queues work that only this machine can run.
    pub(super) fn deliver(&self, number: u32) {
        let place = self.place(number);
        if place.inbox.push(NonNull::from(&self.node)) {
            place.parker.unpark();
        }
    }

    pub(super) fn take_common(&self) -> bool {
        let mut count = self.common.load(Ordering::Relaxed);
        while count > 0 {
            let taken =
                self.common
                    .compare_exchange(count, count - 1, Ordering::AcqRel, Ordering::Relaxed);
            match taken {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    pub(super) fn arm(&self, when: u64) {
        self.timer.swap(when, Ordering::AcqRel);
        self.timer_armed(when);
    }

    /// Whether the timer was due, and is the caller's to run: to loom's threads
    /// any time but never may have come.
    pub(super) fn expire(&self) -> bool {
        self.timer.load(Ordering::Acquire) != NEVER
            && self.timer.swap(NEVER, Ordering::AcqRel) != NEVER
    }

    /// Lets loom switch to another machine that is in such a moment.
    pub(super) fn pass_a_moment(&self) {
        self.moment.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a permit, as a machine that runs something would hold it.
    pub(super) fn hold_permit(&self) -> u32 {
        assert!(self.permits.begin_wake());
        let Grant::Start(number) = self.permits.grant(self, true) else {
            unreachable!("a permit is free, and nobody sleeps")
        };
        self.permits.stop_search();
        number
    }

    /// Gives it back.
    pub(super) fn give_back(&self, number: u32) {
        match self.permits.vacate(number, self) {
            None => self.look_after_release(),
            handed => self.unpark(handed),
        }
    }

    pub(super) fn place(&self, number: u32) -> &Place {
        &self.places[number as usize - 1]
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    pub(super) fn count_done(&self) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 1 {
            self.blocked.unpark();
        }
        if self.is_over() {
            let parkers = self.places.iter().map(|place| &place.parker);
            parkers.for_each(Parker::unpark);
        }
    }

    /// Waits until all work was run and all machines have ended.
    pub(super) fn end(self: Rc<World>) {
        while let Some(thread) = { self.threads.borrow_mut().pop() } {
            thread.join().unwrap();
        }
        assert!(self.is_over());
        assert_eq!(self.permits.searching(), 0);
        assert_eq!(self.permits.free(), self.permits.limit());
        assert_eq!(self.permits.wanting(), 0);
    }
}

impl Place {
    pub(super) fn new() -> Place {
        Place {
            standing: AtomicU32::new(0),
            inbox: Inbox::new(),
            parker: Parker::new(),
            steps: AtomicU32::new(0),
        }
    }
}

impl Standings for World {
    fn of(&self, number: u32) -> &AtomicU32 {
        &self.place(number).standing
    }
}

impl Crew for World {
    fn permits(&self) -> &Permits {
        &self.permits
    }

    fn has_work(&self) -> bool {
        self.common.load(Ordering::Relaxed) != 0
    }

    fn earliest_timer(&self) -> u64 {
        self.timer.load(Ordering::Acquire)
    }

    fn unpark(&self, handed: Option<u32>) {
        if let Some(number) = handed {
            self.place(number).parker.unpark();
        }
    }

    fn start(&self, number: u32) -> bool {
        self.spawn(number, Machine::search_at_first);
        true
    }

    fn run_out_of_threads(&self) -> ! {
        panic!("a model starts more machines than there is room for")
    }
}
