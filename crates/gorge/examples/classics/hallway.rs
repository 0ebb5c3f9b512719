//! The livelock in the hallway: two people meet, both step aside to let the other
//! pass, to the same side, and again, and again. Nobody waits, and nobody gets
//! anywhere.
//!
//! Two cures: break the symmetry by rank, or by chance.

use gorge::scope;
use gorge::sync::{Barrier, Mutex};

/// Who gives up sees it this late.
const PATIENCE: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// Two people who look at the same moment, and step at the same moment, if `steps`
/// says so for the person and the round. Returns after how many rounds they passed.
fn meet(steps: impl Fn(usize, usize) -> bool + Sync) -> Option<usize> {
    let sides = [(); 2].map(|()| Mutex::new(Side::Left));
    let moment = Barrier::new(2);
    let walk = |person: usize| {
        for round in 0..PATIENCE {
            let (own, other) = (*sides[person].lock(), *sides[1 - person].lock());
            if own != other {
                return Some(round);
            }
            moment.wait();
            if steps(person, round) {
                *sides[person].lock() = own.other();
            }
            moment.wait();
        }
        None
    };
    scope(|hallway| {
        let first = hallway.spawn(|| walk(0));
        let second = walk(1);
        assert_eq!(first.join().expect("no panic"), second);
        second
    })
}

/// Both step aside, always.
pub(crate) fn both_are_polite() -> Option<usize> {
    meet(|_, _| true)
}

/// The first one steps aside, the second one walks on.
pub(crate) fn by_rank() -> Option<usize> {
    meet(|person, _| person == 0)
}

/// Each tosses a coin in every round.
pub(crate) fn by_chance(seed: u64) -> Option<usize> {
    meet(move |person, round| {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        let mut coin = seed ^ (person as u64 * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        coin = coin.wrapping_add((round as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        coin = (coin ^ (coin >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        coin = (coin ^ (coin >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (coin ^ (coin >> 31)) & 1 == 1
    })
}

pub(crate) fn tell() {
    let rounds = |passed: Option<usize>| match passed {
        Some(rounds) => format!("they pass after {rounds} rounds"),
        None => format!("after {PATIENCE} rounds they still step aside"),
    };
    gorge::run(|| {
        println!("  both are polite: {}", rounds(both_are_polite()));
        println!("  by rank: {}", rounds(by_rank()));
        println!("  by chance: {}", rounds(by_chance(7)));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_polite_people_never_pass() {
        assert_eq!(gorge::run(both_are_polite), None);
    }

    #[test]
    fn a_broken_symmetry_lets_them_pass() {
        gorge::run(|| {
            assert_eq!(by_rank(), Some(1));
            for seed in 0..50 {
                assert!(by_chance(seed).is_some_and(|rounds| rounds < 100));
            }
        });
    }
}
