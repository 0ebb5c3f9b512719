//! Loom models: a lost wake-up shows as a deadlock, one too early or a missing
//! ordering as concurrent access to a cell.

use super::Barrier;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    barrier: Barrier,
    work: [UnsafeCell<u32>; 3],
}

// SAFETY: between two waits, a cell is written by its own party or read by any;
// loom checks that the barrier orders these.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// Works, waits, looks at what all did, and waits again, so that the others
    /// may work. How often it was the leader.
    fn rounds(&self, parties: usize, me: usize, rounds: u32) -> usize {
        let mut led = 0;
        for round in 1..=rounds {
            // SAFETY: see `Sync`.
            self.work[me].with_mut(|work| unsafe { *work += 1 });
            led += usize::from(self.barrier.wait().is_leader());
            for work in &self.work[..parties] {
                // SAFETY: see `Sync`.
                assert_eq!(work.with(|work| unsafe { *work }), round);
            }
            if round < rounds {
                led += usize::from(self.barrier.wait().is_leader());
            }
        }
        led
    }
}

fn check(preemptions: usize, parties: usize, rounds: u32) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        let shared = Arc::new(Shared {
            barrier: Barrier::new(parties),
            work: std::array::from_fn(|_| UnsafeCell::new(0)),
        });
        let others: Vec<_> = (1..parties)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.rounds(parties, me, rounds))
            })
            .collect();
        let mut led = shared.rounds(parties, 0, rounds);
        for other in others {
            led += other.join().unwrap();
        }
        assert_eq!(
            led,
            2 * rounds as usize - 1,
            "one leader for each generation"
        );
    });
}

#[test]
fn three_parties_see_what_all_did_and_one_leads() {
    check(2, 3, 1);
}

#[test]
fn it_may_be_used_again_at_once() {
    check(3, 2, 2);
}
