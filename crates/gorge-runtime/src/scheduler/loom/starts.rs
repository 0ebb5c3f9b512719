//! The deque of the starts: its owner and thieves, each of whom takes what nobody else takes. A
//! batch is two here, and so is the first ring, so that the rings grow, and that near and far are
//! within reach.

use super::super::starts::Starts;
use super::check;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use std::ptr::{NonNull, without_provenance_mut};

type Numbers = Starts<u8>;

fn numbered(number: usize) -> NonNull<u8> {
    match NonNull::new(without_provenance_mut(number + 1)) {
        Some(number) => number,
        None => unreachable!("not zero"),
    }
}

fn number(g: NonNull<u8>) -> usize {
    g.as_ptr().addr() - 1
}

fn single(starts: &Arc<Numbers>) -> JoinHandle<Vec<usize>> {
    let starts = Arc::clone(starts);
    thread::spawn(move || starts.steal().map(number).into_iter().collect())
}

fn half(starts: &Arc<Numbers>) -> JoinHandle<Vec<usize>> {
    let starts = Arc::clone(starts);
    thread::spawn(move || {
        let own = Numbers::new();
        let mut taken: Vec<_> = starts.steal_half(&own).map(number).into_iter().collect();
        taken.extend(pop_all(&own));
        taken
    })
}

fn pop_all(starts: &Numbers) -> Vec<usize> {
    std::iter::from_fn(|| starts.pop()).map(number).collect()
}

/// The owner adds some, starts the thieves, and takes all, one of which it adds late.
fn model(first: usize, late: bool, thieves: &[fn(&Arc<Numbers>) -> JoinHandle<Vec<usize>>]) {
    let starts = Arc::new(Numbers::new());
    (0..first).for_each(|n| starts.push(numbered(n)));
    let thieves: Vec<_> = thieves.iter().map(|thief| thief(&starts)).collect();
    let mut taken = Vec::new();
    if late {
        taken.extend(starts.pop().map(number));
        starts.push(numbered(first));
    }
    taken.extend(pop_all(&starts));
    for thief in thieves {
        taken.extend(thief.join().expect("it ends"));
    }
    // A thief that saw less than there was leaves it; the owner was there last.
    taken.sort_unstable();
    let all: Vec<_> = (0..first + usize::from(late)).collect();
    assert_eq!(taken, all);
}

#[test]
fn the_last_one_is_the_owners_or_the_thiefs() {
    check(4, || model(1, false, &[single]));
    check(4, || model(1, true, &[single]));
}

#[test]
fn the_owner_and_one_who_takes_half() {
    check(4, || model(3, false, &[half]));
    check(4, || model(4, false, &[half]));
    check(3, || model(5, true, &[half]));
}

#[test]
fn of_two_thieves_each_has_its_own() {
    check(2, || model(4, false, &[half, single]));
    check(4, || model(4, false, &[half, half]));
    check(3, || model(2, true, &[single, single]));
}
