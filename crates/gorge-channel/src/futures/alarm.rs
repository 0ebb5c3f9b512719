//! Calls a waker when a timer channel has its next value.
//!
//! A blocked party knows itself when it has to look. A future is looked at by its
//! executor, so a goroutine sleeps for it: on the clock of its runtime, which a simulation
//! sets. The future keeps an [`Alarm`], and by that a channel open on which the goroutine
//! waits until the value is due.
//!
//! | who ends the goroutine's wait | and then |
//! | --- | --- |
//! | the clock | the waker is called |
//! | the alarm, which is dropped | nothing: the goroutine ends by itself |
//! | a cancel, as the runtime shuts down | an OS thread waits in its place |
//!
//! Nobody cancels the goroutine when the alarm goes: the waker may be under way just then,
//! and poll the very future that drops the alarm.

#[cfg(gorge_loom)]
use std::{task::Waker, time::Instant};

#[cfg(not(gorge_loom))]
pub(super) use on_the_clock::Alarm;

#[cfg(not(gorge_loom))]
mod on_the_clock {
    use crate::error::RecvTimeoutError;
    use crate::futures::waker;
    use crate::{Receiver, Sender, bounded};
    use std::convert::Infallible;
    use std::task::Waker;
    use std::thread;
    use std::time::Instant;

    /// Dropped, it calls the waker no more, unless that has begun.
    pub(in crate::futures) struct Alarm {
        due: Instant,
        waker: Waker,
        /// Nothing is sent: either side sees that the other one is gone.
        stop: Sender<Infallible>,
    }

    impl Alarm {
        pub(in crate::futures) fn new(due: Instant, waker: &Waker) -> Alarm {
            let (stop, stopped) = bounded(0);
            let sleeper = Sleeper {
                sleep: Some(Sleep {
                    due,
                    waker: waker.clone(),
                    stopped,
                }),
                is_thread: false,
            };
            drop(gorge_runtime::go(move || sleeper.run()));
            Alarm {
                due,
                waker: waker.clone(),
                stop,
            }
        }

        /// Whether it will call this waker then.
        pub(in crate::futures) fn is(&self, due: Instant, waker: &Waker) -> bool {
            self.due == due && self.waker.will_wake(waker) && !self.stop.chan().is_closed()
        }
    }

    struct Sleep {
        due: Instant,
        waker: Waker,
        stopped: Receiver<Infallible>,
    }

    impl Sleep {
        fn end(self) {
            // The alarm is not one any more when the waker is called.
            drop(self.stopped);
            waker::call(self.waker);
        }
    }

    /// Who sleeps: dropped before it has done so, it leaves that to an OS thread.
    struct Sleeper {
        sleep: Option<Sleep>,
        is_thread: bool,
    }

    impl Sleeper {
        fn run(mut self) {
            let Some(sleep) = &self.sleep else { return };
            let ended = sleep.stopped.recv_deadline(sleep.due);
            // From here on nothing is left to somebody else.
            let sleep = self.sleep.take();
            if let (Err(RecvTimeoutError::Timeout), Some(sleep)) = (ended, sleep) {
                sleep.end();
            }
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let Some(sleep) = self.sleep.take() else {
                return;
            };
            if sleep.stopped.own_chan().is_closed() {
                return;
            }
            if self.is_thread {
                // There is no thread to be had. Too early is better than never: the future
                // looks, and tries again.
                return sleep.end();
            }
            let sleeper = Sleeper {
                sleep: Some(sleep),
                is_thread: true,
            };
            let thread = thread::Builder::new().name("gorge-alarm".to_owned());
            // If it fails, the closure is dropped, and the sleeper with it.
            drop(thread.spawn(move || sleeper.run()));
        }
    }
}

/// Loom's models have no clock.
#[cfg(gorge_loom)]
pub(super) struct Alarm {}

#[cfg(gorge_loom)]
impl Alarm {
    pub(super) fn new(_: Instant, _: &Waker) -> Alarm {
        Alarm {}
    }

    pub(super) fn is(&self, _: Instant, _: &Waker) -> bool {
        true
    }
}
