//! The deque against a model of it, and against thieves on other threads.

#![allow(
    clippy::disallowed_methods,
    reason = "thieves are threads outside the runtime"
)]

use super::{BATCH, FIRST_RING, Starts};
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::VecDeque;
use std::ptr::{NonNull, without_provenance_mut};
use std::thread;

fn numbered(number: usize) -> NonNull<u8> {
    NonNull::new(without_provenance_mut(number + 1)).expect("not null")
}

fn number(g: NonNull<u8>) -> usize {
    g.as_ptr().addr() - 1
}

#[test]
fn the_newest_are_the_owners_and_the_oldest_the_thieves() {
    let starts = Starts::new();
    (0..4).for_each(|n| starts.push(numbered(n)));
    assert_eq!(starts.pop().map(number), Some(3));
    assert_eq!(starts.steal().map(number), Some(0));
    assert_eq!((starts.len(), starts.is_empty()), (2, false));
    assert_eq!(starts.pop().map(number), Some(2));
    assert_eq!(starts.pop().map(number), Some(1));
    assert_eq!(starts.pop(), None);
    assert_eq!(starts.steal(), None);
    assert!(starts.is_empty());
}

#[test]
fn half_of_them_is_taken_in_their_order_and_no_more_than_a_batch() {
    for count in [1, 2, 3, 10, 3 * BATCH as usize] {
        let (starts, own) = (Starts::new(), Starts::new());
        (0..count).for_each(|n| starts.push(numbered(n)));
        assert_eq!(starts.steal_half(&own).map(number), Some(0));
        let taken = match count {
            1 | 2 => 1,
            _ => count.div_ceil(2).min(BATCH as usize),
        };
        assert_eq!((own.len(), starts.len()), (taken - 1, count - taken));
        for n in 1..taken {
            assert_eq!(own.steal().map(number), Some(n));
        }
        for n in taken..count {
            assert_eq!(starts.steal().map(number), Some(n));
        }
    }
}

#[test]
fn as_a_queue_with_two_ends_does() {
    // The numbers come round on the way.
    let (starts, own) = (Starts::after(u32::MAX - 1000), Starts::new());
    let mut model = VecDeque::new();
    let (mut random, mut next) = (1_u64, 0);
    for _ in 0..200_000 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        match (random >> 33) % 8 {
            // More often than not, so that it grows beyond its first ring.
            0..=3 => {
                starts.push(numbered(next));
                model.push_back(next);
                next += 1;
            }
            4 | 5 => assert_eq!(starts.pop().map(number), model.pop_back()),
            6 => assert_eq!(starts.steal().map(number), model.pop_front()),
            _ if model.len() > 4 * FIRST_RING as usize => {
                while let Some(g) = starts.steal_half(&own) {
                    assert_eq!(Some(number(g)), model.pop_front());
                    while let Some(g) = own.steal() {
                        assert_eq!(Some(number(g)), model.pop_front());
                    }
                }
                assert!(model.is_empty());
            }
            _ => {}
        }
        assert_eq!(starts.len(), model.len());
    }
}

/// Each is taken once, by whomever: the owner goes through lengths near and far.
#[test]
fn none_is_lost_or_taken_twice() {
    const COUNT: usize = 300_000;
    let starts = Starts::new();
    let taken: Vec<_> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
    let take = |g| taken[number(g)].fetch_add(1, Ordering::Relaxed);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let thieves = [0, 1].map(|thief| {
            let (starts, take, over) = (&starts, &take, &over);
            scope.spawn(move || {
                let own = Starts::new();
                while !over.load(Ordering::Acquire) || !starts.is_empty() {
                    let found = match thief {
                        0 => starts.steal(),
                        _ => starts.steal_half(&own),
                    };
                    found.map(take);
                    while let Some(g) = own.pop() {
                        take(g);
                    }
                }
            })
        });
        let mut next = 0;
        for round in 0.. {
            let burst = [1, 2, 3, 7, 40, 500][round % 6].min(COUNT - next);
            (next..next + burst).for_each(|n| starts.push(numbered(n)));
            next += burst;
            // Sometimes less than there is, sometimes all.
            for _ in 0..burst + round % 3 - 1 {
                starts.pop().map(take);
            }
            if next == COUNT {
                break;
            }
        }
        while let Some(g) = starts.pop() {
            take(g);
        }
        over.store(true, Ordering::Release);
        // ThreadSanitizer does not see that a scope's end comes after its threads.
        for thief in thieves {
            thief.join().expect("it ends");
        }
    });
    assert!(taken.iter().all(|times| times.load(Ordering::Relaxed) == 1));
}
