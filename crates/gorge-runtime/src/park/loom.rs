//! Loom models of the state word: those who would end a wait, the owner that
//! begins it, and those who look at its stack meanwhile. An access to the stack
//! or the value that is not ordered shows as concurrent access to a cell.

use super::WaitReason;
use super::cell::{CANCELLABLE, CLAIMED, Owner, ParkCell, WOKEN};
use crate::primitive::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

const FIRST: u16 = 7;
const SECOND: u16 = 8;
const CANCEL: u16 = 9;

struct Party {
    cell: ParkCell,
    /// What a waker writes for the one it wakes.
    value: UnsafeCell<u16>,
    /// The stack: the owner's while it runs, a looker's while that has claimed it.
    stack: UnsafeCell<u16>,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Sync for Party {}
// SAFETY: as above.
unsafe impl Send for Party {}

impl Party {
    fn new() -> Arc<Party> {
        Arc::new(Party {
            cell: ParkCell::new(Owner::Goroutine),
            value: UnsafeCell::new(0),
            stack: UnsafeCell::new(0),
        })
    }

    fn begin(&self, flags: u64) -> u32 {
        self.touch_stack();
        self.cell.begin(WaitReason::Park, 0, flags)
    }

    /// A waker's part. Returns whether it won.
    fn wake(&self, ticket: u32, token: u16) -> bool {
        let won = self.cell.claim(ticket, token);
        if won {
            // SAFETY: the winner writes, and loom checks that nobody else does.
            self.value.with_mut(|value| unsafe { *value = token });
            self.cell.woken();
        }
        won
    }

    /// Owner: waits until it was woken, as a thread does, and goes on.
    fn resume(&self) -> u16 {
        while !self.cell.load().has(WOKEN) {
            thread::yield_now();
        }
        self.touch_stack();
        // SAFETY: the winner has written it, and loom checks that.
        self.value.with(|value| unsafe { *value })
    }

    fn touch_stack(&self) {
        // SAFETY: the owner runs, and loom checks that nobody looks.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
    }

    fn look(&self) {
        if self.cell.look() {
            // SAFETY: the stack is claimed, and loom checks that.
            self.stack.with(|stack| assert_ne!(unsafe { *stack }, 0));
            self.cell.release();
        }
    }
}

fn spawn<T: 'static>(
    party: &Arc<Party>,
    f: impl FnOnce(&Party) -> T + 'static,
) -> thread::JoinHandle<T> {
    let party = Arc::clone(party);
    thread::spawn(move || f(&party))
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn one_of_two_wakers_wins_and_a_late_one_does_not_reach_the_next_wait() {
    check(3, || {
        let party = Party::new();
        let ticket = party.begin(0);
        let first = spawn(&party, move |party| party.wake(ticket, FIRST));
        let second = spawn(&party, move |party| party.wake(ticket, SECOND));
        let token = party.resume();
        assert_eq!(party.cell.load().token(), token);
        party.begin(0);
        let won = [first.join().unwrap(), second.join().unwrap()];
        assert_eq!(won, [token == FIRST, token == SECOND]);
        assert!(party.cell.is_parked());
    });
}

#[test]
fn a_cancel_that_meets_the_begin_of_a_wait_ends_it_once() {
    check(4, || {
        let party = Party::new();
        let canceller = spawn(&party, |party| party.cell.request_cancel(CANCEL));
        let ticket = party.begin(CANCELLABLE);
        let noticed = party.cell.cancel_requested_after_begin() && party.cell.claim(ticket, CANCEL);
        assert!(noticed != canceller.join().unwrap());
        assert_eq!(party.cell.load().token(), CANCEL);
    });
}

#[test]
fn a_cancel_and_a_waker_do_not_both_end_a_wait() {
    check(3, || {
        let party = Party::new();
        let ticket = party.begin(CANCELLABLE);
        let waker = spawn(&party, move |party| party.wake(ticket, FIRST));
        let canceller = spawn(&party, |party| party.cell.request_cancel(CANCEL));
        let (woken, cancelled) = (waker.join().unwrap(), canceller.join().unwrap());
        assert!(woken != cancelled);
        assert!(party.cell.cancel_requested());
    });
}

#[test]
fn nobody_resumes_a_stack_that_is_looked_at() {
    check(3, || {
        let party = Party::new();
        let ticket = party.begin(0);
        let looker = spawn(&party, |party| {
            party.look();
            party.look();
        });
        // A machine takes the goroutine from a queue: no word but this one.
        assert!(party.cell.claim(ticket, FIRST));
        while party.cell.load().has(CLAIMED) {
            thread::yield_now();
        }
        party.begin(0);
        looker.join().unwrap();
        assert!(!party.cell.load().has(CLAIMED));
        assert!(party.cell.is_parked());
    });
}
