//! Loom models of a join without a lock: a goroutine that ends, one that waits for it, and who
//! ends that wait before. The word and the cell are the runtime's; the slot is the pointer that
//! the joiner leaves. A lost wake-up shows as a deadlock, a result that is taken too early as
//! concurrent access to its cell.

use super::life::{Completion, Life};
use crate::park::WaitReason;
use crate::park::cell::{CANCELLABLE, Owner, ParkCell, WOKEN};
use crate::primitive::UnsafeCell;
use crate::primitive::atomic::{AtomicPtr, Ordering};
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use std::ptr::{self, null_mut};

const ENDED: u16 = 7;
const SEEN: u16 = 8;
const CANCELLED: u16 = 9;
const OTHER: u16 = 10;

/// Who joins, and who is joined.
struct Pair {
    joiner: ParkCell,
    life: Life,
    slot: AtomicPtr<ParkCell>,
    result: UnsafeCell<u16>,
}

// SAFETY: loom checks every access to the cell.
unsafe impl Sync for Pair {}
// SAFETY: as above.
unsafe impl Send for Pair {}

impl Pair {
    fn new() -> Arc<Pair> {
        let life = Life::new();
        life.restart();
        Arc::new(Pair {
            joiner: ParkCell::new(Owner::Goroutine),
            life,
            slot: AtomicPtr::new(null_mut()),
            result: UnsafeCell::new(0),
        })
    }

    /// What names the goroutine that is joined.
    fn object(&self) -> usize {
        ptr::from_ref(&self.life).addr()
    }

    /// The goroutine's end, as `execute::complete` and `G::wake_expected` have it. Whether it
    /// woke the joiner.
    fn end(&self) -> bool {
        // SAFETY: the result is the goroutine's until it completes.
        self.result.with_mut(|result| unsafe { *result = 42 });
        match self.life.complete() {
            Completion::WakeExpected => {
                let cell = self.slot.load(Ordering::Relaxed);
                // SAFETY: the joiner has left its cell, which stays.
                let cell = unsafe { &*cell };
                let won = cell.claim_wait_for(self.object(), ENDED);
                if won {
                    cell.woken();
                }
                won
            }
            Completion::Done | Completion::DropResult => false,
            Completion::WakeJoiner => unreachable!("nobody is in the slot"),
        }
    }

    /// `JoinHandle::wait_expected`: the token that ended the wait.
    fn wait(&self, flags: u64) -> u16 {
        self.slot
            .store(ptr::from_ref(&self.joiner).cast_mut(), Ordering::Relaxed);
        let ticket = self.joiner.begin(WaitReason::Join, self.object(), flags);
        if self.joiner.cancel_requested_after_begin()
            && flags & CANCELLABLE != 0
            && self.joiner.claim(ticket, CANCELLED)
        {
            self.joiner.woken();
        }
        if !self.life.expect() && self.joiner.claim(ticket, SEEN) {
            self.joiner.woken();
        }
        self.sleep()
    }

    fn sleep(&self) -> u16 {
        while !self.joiner.load().has(WOKEN) {
            thread::yield_now();
        }
        self.joiner.load().token()
    }

    fn take(&self) {
        // SAFETY: the goroutine has ended, and loom checks that it has.
        self.result
            .with(|result| assert_eq!(unsafe { *result }, 42));
    }

    fn cancel(&self) {
        if self.joiner.request_cancel(CANCELLED) {
            self.joiner.woken();
        }
    }
}

fn aside<T: 'static>(
    pair: &Arc<Pair>,
    act: impl FnOnce(&Pair) -> T + 'static,
) -> thread::JoinHandle<T> {
    let pair = Arc::clone(pair);
    thread::spawn(move || act(&pair))
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_joiner_is_woken_or_sees_the_end() {
    check(5, || {
        let pair = Pair::new();
        let goroutine = aside(&pair, Pair::end);
        let token = pair.wait(0);
        pair.take();
        assert_eq!(goroutine.join().unwrap(), token == ENDED);
    });
}

#[test]
fn a_cancel_ends_the_wait_and_a_second_wait_is_ended_by_the_end() {
    check(3, || {
        let pair = Pair::new();
        let goroutine = aside(&pair, Pair::end);
        let canceller = aside(&pair, Pair::cancel);
        if pair.wait(CANCELLABLE) == CANCELLED {
            // A scope waits on, whatever comes.
            assert_ne!(pair.wait(0), CANCELLED);
        }
        pair.take();
        goroutine.join().unwrap();
        canceller.join().unwrap();
    });
}

#[test]
fn a_joiner_that_has_gone_is_not_woken_from_what_it_waits_for_next() {
    check(3, || {
        let pair = Pair::new();
        let goroutine = aside(&pair, Pair::end);
        let canceller = aside(&pair, Pair::cancel);
        let gone = pair.wait(CANCELLABLE) == CANCELLED;
        canceller.join().unwrap();
        if gone && !pair.life.detach() {
            let ticket = pair.joiner.begin(WaitReason::Park, 0, 0);
            goroutine.join().unwrap();
            assert!(
                pair.joiner.claim(ticket, OTHER),
                "nobody else ends this wait"
            );
        } else {
            pair.take();
            goroutine.join().unwrap();
        }
    });
}
