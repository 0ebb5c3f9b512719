//! A ticket sale: several clerks sell the same tickets.
//!
//! A clerk who looks whether there is a ticket, and then takes it, sells one that
//! another clerk has sold meanwhile. That is a race of the program's logic: no memory
//! is misused, and no compiler can find it. Three cures: look and take under one lock;
//! in one atomic step; or let one goroutine own the tickets.

use gorge::channel::bounded;
use gorge::sync::{Barrier, Mutex};
use gorge::{go, scope, yield_now};
use std::sync::atomic::{AtomicI64, Ordering};

/// How many tickets the clerks sold.
fn sell(clerks: usize, sells_one: impl Fn() -> bool + Sync) -> usize {
    let sold = Mutex::new(0);
    scope(|office| {
        for _ in 0..clerks {
            office.spawn(|| {
                while sells_one() {
                    *sold.lock() += 1;
                    yield_now();
                }
            });
        }
    });
    sold.into_inner()
}

/// Looks, and then takes. All clerks look at the same moment, and take at the next.
pub(crate) fn look_then_take(clerks: usize, tickets: i64) -> usize {
    let (left, moment) = (AtomicI64::new(tickets), Barrier::new(clerks));
    sell(clerks, || {
        let is_there = left.load(Ordering::SeqCst) > 0;
        moment.wait();
        if is_there {
            left.fetch_sub(1, Ordering::SeqCst);
        }
        moment.wait();
        is_there
    })
}

/// Looks and takes under one lock.
pub(crate) fn under_a_lock(clerks: usize, tickets: i64) -> usize {
    let left = Mutex::new(tickets);
    sell(clerks, || {
        let mut left = left.lock();
        let is_there = *left > 0;
        *left -= i64::from(is_there);
        is_there
    })
}

/// Looks and takes in one atomic step.
pub(crate) fn in_one_step(clerks: usize, tickets: i64) -> usize {
    let left = AtomicI64::new(tickets);
    let take = |left: i64| (left > 0).then(|| left - 1);
    sell(clerks, || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    })
}

/// One goroutine owns the tickets, and hands them out through a channel.
pub(crate) fn by_a_teller(clerks: usize, tickets: i64) -> usize {
    let (hands_out, desk) = bounded(0);
    let teller = go(move || (0..tickets).try_for_each(|ticket| hands_out.send(ticket)));
    let sold = sell(clerks, || desk.recv().is_ok());
    teller.join().expect("no panic").expect("all are sold");
    sold
}

pub(crate) fn tell() {
    gorge::run(|| {
        println!("  8 clerks, 100 tickets");
        println!("  look, then take: {} sold", look_then_take(8, 100));
        println!("  under a lock: {}", under_a_lock(8, 100));
        println!("  in one atomic step: {}", in_one_step(8, 100));
        println!("  by a teller: {}", by_a_teller(8, 100));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_sold_twice_when_clerks_look_first() {
        assert_eq!(gorge::run(|| look_then_take(8, 100)), 104);
    }

    #[test]
    fn every_cure_sells_each_ticket_once() {
        gorge::run(|| {
            for cure in [under_a_lock, in_one_step, by_a_teller] {
                for clerks in [1, 2, 8] {
                    assert_eq!(cure(clerks, 500), 500);
                }
            }
        });
    }
}
