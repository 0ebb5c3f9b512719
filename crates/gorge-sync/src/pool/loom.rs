//! Loom models of the idle items: one that is lost or comes twice is counted, and a
//! missing ordering shows as concurrent access to what is in an item.

use super::idle::Idle;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::cell::Cell;

loom::thread_local! {
    static PLACE: Cell<usize> = Cell::new(0);
}

/// Where the thread runs, of two places.
pub(super) fn place() -> usize {
    PLACE.with(Cell::get)
}

/// An item, which counts the live ones.
struct Item {
    uses: UnsafeCell<u32>,
    live: Arc<AtomicUsize>,
}

// SAFETY: whoever has the item touches the cell, which loom checks.
unsafe impl Send for Item {}

impl Item {
    /// Whoever has the item uses it alone.
    fn used(self) -> Item {
        // SAFETY: see `Send`.
        self.uses.with_mut(|uses| unsafe { *uses += 1 });
        self
    }

    fn uses(&self) -> u32 {
        // SAFETY: see `Send`.
        self.uses.with(|uses| unsafe { *uses })
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.uses();
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Shared {
    idle: Idle<Item>,
    live: Arc<AtomicUsize>,
}

impl Shared {
    fn make(&self) -> Item {
        self.live.fetch_add(1, Ordering::Relaxed);
        Item {
            uses: UnsafeCell::new(0),
            live: Arc::clone(&self.live),
        }
    }

    fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Takes all that is idle, with nobody else there. How often each was used.
    fn drain(&self) -> Vec<u32> {
        std::iter::from_fn(|| self.idle.take())
            .map(|item| item.uses())
            .collect()
    }
}

/// Runs the model with caches of this capacity.
fn check(capacity: usize, model: impl Fn(Arc<Shared>) + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(move || {
        model(Arc::new(Shared {
            idle: Idle::new(capacity),
            live: Arc::new(AtomicUsize::new(0)),
        }));
    });
}

fn spawn_at(
    place: usize,
    shared: &Arc<Shared>,
    f: impl FnOnce(&Shared) + 'static,
) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        PLACE.with(|here| here.set(place));
        f(&shared);
    })
}

#[test]
fn the_first_items_of_two_places_are_both_kept() {
    check(1, |shared| {
        let others = [0, 1].map(|place| {
            spawn_at(place, &shared, |shared| {
                shared.idle.put(shared.make().used());
            })
        });
        others.map(|it| it.join().unwrap());
        assert_eq!((shared.idle.len(), shared.live()), (2, 2));
        assert_eq!(shared.drain(), [1, 1]);
        assert_eq!(shared.live(), 0);
    });
}

#[test]
fn two_who_give_back_in_one_place_lose_nothing_for_which_there_is_room() {
    check(2, |shared| {
        let others = [0, 0].map(|place| {
            spawn_at(place, &shared, |shared| {
                shared.idle.put(shared.make().used());
            })
        });
        others.map(|it| it.join().unwrap());
        assert_eq!((shared.idle.len(), shared.live()), (2, 2));
        assert_eq!(shared.drain(), [1, 1]);
    });
}

#[test]
fn an_item_goes_to_one_of_two_and_comes_back() {
    check(1, |shared| {
        shared.idle.put(shared.make());
        let others = [0, 1].map(|place| {
            spawn_at(place, &shared, |shared| {
                if let Some(item) = shared.idle.take() {
                    shared.idle.put(item.used());
                }
            })
        });
        others.map(|it| it.join().unwrap());
        assert_eq!((shared.idle.len(), shared.live()), (1, 1));
        let uses = shared.drain();
        // Who finds the other one at it goes without.
        assert!(uses == [1] || uses == [2], "{uses:?}");
    });
}

#[test]
fn what_does_not_fit_is_dropped_and_nothing_else() {
    check(1, |shared| {
        shared.idle.put(shared.make());
        let others =
            [0, 1].map(|place| spawn_at(place, &shared, |shared| shared.idle.put(shared.make())));
        others.map(|it| it.join().unwrap());
        assert_eq!((shared.idle.len(), shared.live()), (2, 2));
    });
}

#[test]
fn an_item_is_taken_or_cleared_but_not_both() {
    check(1, |shared| {
        shared.idle.put(shared.make());
        let taker = spawn_at(1, &shared, |shared| {
            drop(shared.idle.take().map(Item::used));
        });
        shared.idle.clear();
        taker.join().unwrap();
        shared.idle.clear();
        assert_eq!((shared.idle.len(), shared.live()), (0, 0));
    });
}

#[test]
fn a_shrink_lets_go_of_what_nobody_needs_and_not_of_what_comes_back() {
    check(2, |shared| {
        shared.idle.put(shared.make());
        shared.idle.put(shared.make());
        shared.idle.shrink();
        let user = spawn_at(0, &shared, |shared| {
            if let Some(item) = shared.idle.take() {
                shared.idle.put(item.used());
            }
        });
        shared.idle.shrink();
        user.join().unwrap();
        assert_eq!(shared.idle.len(), shared.live());
        assert!(shared.drain().iter().all(|uses| *uses <= 1));
        assert_eq!(shared.live(), 0);
    });
}

#[test]
fn who_meets_another_one_at_the_last_cache_with_room_waits_for_it() {
    check(2, |shared| {
        // Two fill the other cache, and one is here: there is room for one more.
        PLACE.with(|here| here.set(1));
        (0..2).for_each(|_| shared.idle.put(shared.make()));
        PLACE.with(|here| here.set(0));
        shared.idle.put(shared.make());
        let taker = spawn_at(0, &shared, |shared| {
            assert!(shared.idle.take().is_some());
        });
        shared.idle.put(shared.make());
        taker.join().unwrap();
        assert_eq!((shared.idle.len(), shared.live()), (3, 3));
    });
}
