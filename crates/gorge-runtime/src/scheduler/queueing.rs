//! Where a machine queues what became runnable on it.

use super::crew::Crew;
use super::machine::Machine;
use crate::goroutine::{GRef, NO_HOME, Run};
use crate::primitive::atomic::Ordering;
use crate::trace::{self, Event};

impl Machine {
    /// Queues a new goroutine, to be run next.
    #[inline]
    pub(crate) fn start(&self, g: GRef) {
        if self.is_dedicated {
            return self.shared().submit(g);
        }
        let processor = self.processor();
        if self.next.get().is_some() || !processor.peek_next().is_null() {
            self.queue_next();
        }
        self.weigh(g);
        processor.starts().push(g);
        processor.set_starts_next(true);
        self.notify_unless_watched();
    }

    /// Queues a goroutine that any machine may run, and that has run before, to be run next.
    #[inline]
    fn submit(&self, g: GRef) {
        if self.is_dedicated {
            return self.shared().submit(g);
        }
        if let Some(old) = self.next.take() {
            self.queue_homed(old);
        }
        self.weigh(g);
        self.processor().set_starts_next(false);
        self.processor().set_next(g);
        self.notify_unless_watched();
    }

    /// What was to run next is not any more.
    #[cold]
    #[inline(never)]
    pub(super) fn queue_next(&self) {
        if let Some(old) = self.next.take() {
            self.queue_homed(old);
        }
        if let Some(old) = self.processor().take_next() {
            self.processor().push(old);
        }
    }

    /// Makes a goroutine runnable that was claimed on this thread.
    #[inline(always)]
    pub(crate) fn ready(&self, g: GRef) {
        // SAFETY: a goroutine that is being woken is alive.
        let shared_g = unsafe { g.as_ref() };
        trace::emit(self, || Event::Ready(shared_g.id()));
        if self.times_next.get() {
            self.time(g);
        }
        match shared_g.home() {
            NO_HOME => self.submit(g),
            home if home == self.number() => {
                if let Some(old) = self.processor().take_next() {
                    self.queue_shared(old);
                }
                self.processor().set_starts_next(false);
                if let Some(old) = self.next.replace(Some(g)) {
                    self.queue_homed(old);
                }
            }
            home => self.shared().deliver(home, g),
        }
    }

    #[cold]
    #[inline(never)]
    fn queue_shared(&self, g: GRef) {
        self.processor().push(g);
    }

    #[cold]
    #[inline(never)]
    fn queue_homed(&self, g: GRef) {
        self.with_queue(|queue| queue.push_back(g));
    }

    /// Notes when the goroutine was made runnable.
    #[cold]
    #[inline(never)]
    fn time(&self, g: GRef) {
        self.times_next.set(false);
        // SAFETY: the goroutine is claimed and not queued yet: its run part is
        // ours.
        unsafe { (*g.as_ref().run.get()).runnable_since = self.shared().coarse_time() };
    }

    /// Queues a goroutine last.
    #[inline]
    pub(super) fn queue_last(&self, g: GRef) {
        // SAFETY: a goroutine that is being queued is alive.
        match unsafe { g.as_ref() }.home() {
            NO_HOME if self.is_dedicated => self.shared().submit(g),
            NO_HOME => {
                self.weigh(g);
                self.processor().push(g);
                self.notify_unless_watched();
            }
            home if home == self.number() => self.with_queue(|queue| queue.push_back(g)),
            home => self.shared().deliver(home, g),
        }
    }

    /// Queues a goroutine that lets all others run, also those that have not started: taking
    /// turns with them as a whole it would start more than come to run.
    #[inline]
    pub(super) fn queue_yielded(&self, g: GRef) {
        match self.processor().starts().is_empty() {
            true => self.queue_last(g),
            false => self.queue_spent(g),
        }
    }

    /// Queues a goroutine that had its time slice: behind all that have not, so
    /// that of many that compute those that started early do not get more.
    #[cold]
    #[inline(never)]
    pub(super) fn queue_spent(&self, g: GRef) {
        // SAFETY: as in `queue_last`.
        match unsafe { g.as_ref() }.home() {
            NO_HOME => {
                self.shared().queue_globally(g);
                self.notify();
            }
            home if home == self.number() && !self.is_special => {
                self.with_spent(|spent| spent.push_back(g));
            }
            _ => self.queue_last(g),
        }
    }

    /// Counts what a goroutine that is queued here weighs beyond one.
    #[inline]
    fn weigh(&self, g: GRef) {
        // SAFETY: a goroutine that is being queued is the queuer's.
        if let Some(extras) = unsafe { Run::weighty(g.as_ref().run.get()) }
            && extras.weighs_on.load(Ordering::Relaxed) == 0
        {
            extras.weighs_on.store(self.number(), Ordering::Relaxed);
            self.processor().add_weight(extras.weight);
        }
    }

    /// Work that others may take was queued here.
    #[inline]
    pub(super) fn notify(&self) {
        self.shared().notify();
    }

    /// As [`notify`](Machine::notify), for work that this machine will come to soon
    /// unless a goroutine runs for long, which who watches it would see.
    #[inline]
    fn notify_unless_watched(&self) {
        let processor = self.processor();
        self.shared().notify_unless(|| processor.is_watched());
    }

    /// Queues everything that others could run for all of them, before this
    /// machine stops running for who knows how long.
    pub(super) fn give_up_queues(&self) {
        let processor = self.processor();
        let take = || {
            let first = processor.take_next().or_else(|| processor.pop());
            first.or_else(|| self.take_oldest_start())
        };
        while let Some(g) = take() {
            self.shared().queue_globally(g);
        }
        while let Some(g) = processor.pop_continuation() {
            // SAFETY: a queued goroutine is alive.
            trace::emit(self, || Event::Surrender(unsafe { g.as_ref() }.id()));
            self.shared().queue_globally(g);
        }
        self.notify();
    }
}
