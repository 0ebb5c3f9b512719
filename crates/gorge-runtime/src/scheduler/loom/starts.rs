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
    thread::spawn(move || take_half(&starts, &Numbers::new()))
}

/// Two thieves, one of whom steals from what the other takes.
fn half_and_half_of_that(starts: &Arc<Numbers>) -> JoinHandle<Vec<usize>> {
    let starts = Arc::clone(starts);
    thread::spawn(move || {
        let own = Arc::new(Numbers::new());
        let other = single(&own);
        let mut taken = take_half(&starts, &own);
        taken.extend(other.join().expect("it ends"));
        taken
    })
}

fn take_half(starts: &Numbers, own: &Numbers) -> Vec<usize> {
    let mut taken: Vec<_> = starts.steal_half(own).map(number).into_iter().collect();
    taken.extend(pop_all(own));
    taken
}

fn pop_all(starts: &Numbers) -> Vec<usize> {
    std::iter::from_fn(|| starts.pop()).map(number).collect()
}

type Thief = fn(&Arc<Numbers>) -> JoinHandle<Vec<usize>>;

/// The owner adds `first`, starts the thieves, takes some and adds some, and takes the rest. The
/// numbers go round once meanwhile.
fn model(first: usize, takes: usize, adds: usize, thieves: &[Thief]) {
    let starts = Arc::new(Numbers::after(u32::MAX - 1));
    (0..first).for_each(|n| starts.push(numbered(n)));
    let thieves: Vec<_> = thieves.iter().map(|thief| thief(&starts)).collect();
    let mut taken: Vec<_> = (0..takes)
        .filter_map(|_| starts.pop())
        .map(number)
        .collect();
    (first..first + adds).for_each(|n| starts.push(numbered(n)));
    taken.extend(pop_all(&starts));
    for thief in thieves {
        taken.extend(thief.join().expect("it ends"));
    }
    // A thief that saw less than there was leaves it; the owner was there last.
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..first + adds));
}

#[test]
fn the_last_one_is_the_owners_or_the_thiefs() {
    check(4, || model(1, 0, 0, &[single]));
    check(4, || model(1, 1, 1, &[single]));
}

#[test]
fn the_owner_and_one_who_takes_half() {
    check(4, || model(3, 0, 0, &[half]));
    check(4, || model(4, 0, 0, &[half]));
    check(3, || model(5, 1, 1, &[half]));
}

#[test]
fn a_ring_grows_under_the_eyes_of_a_thief() {
    check(4, || model(2, 0, 1, &[single]));
    check(3, || model(4, 0, 1, &[half]));
    check(3, || model(3, 2, 3, &[half]));
}

#[test]
fn of_two_thieves_each_has_its_own() {
    check(2, || model(4, 0, 0, &[half, single]));
    check(4, || model(4, 0, 0, &[half, half]));
    check(3, || model(2, 1, 1, &[single, single]));
}

#[test]
fn what_a_thief_has_taken_is_stolen_from_it() {
    check(3, || model(4, 0, 0, &[half_and_half_of_that]));
}
