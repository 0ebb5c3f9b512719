//! What a pool does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::for_each_setting;
use gorge_runtime::yield_now;
use gorge_sync::{Pool, PoolGuard};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Counts how many of its kind there are, and knows whether somebody uses it.
struct Item {
    alive: Arc<AtomicUsize>,
    in_use: AtomicBool,
}

impl Item {
    fn new(alive: &Arc<AtomicUsize>) -> Item {
        alive.fetch_add(1, Ordering::Relaxed);
        Item {
            alive: alive.clone(),
            in_use: AtomicBool::new(false),
        }
    }

    /// Uses it, alone.
    fn use_it(&self) {
        assert!(!self.in_use.swap(true, Ordering::Relaxed), "two use it");
        yield_now();
        assert!(self.in_use.swap(false, Ordering::Relaxed), "two use it");
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pool of counted items, and their count.
fn counted(capacity: usize) -> (Arc<Pool<Item, impl Fn() -> Item>>, Arc<AtomicUsize>) {
    let alive = Arc::new(AtomicUsize::new(0));
    let counts = alive.clone();
    let pool = Pool::with_capacity(move || Item::new(&counts), capacity);
    (Arc::new(pool), alive)
}

#[test]
fn an_item_comes_back_and_a_new_one_is_made_only_if_there_is_none() {
    for_each_setting(|setting| {
        let pool = Arc::new(Pool::new(String::new));
        let shared = pool.clone();
        let party = setting.start(move || {
            assert!(shared.try_get().is_none());
            let (mut first, second) = (shared.get(), shared.get());
            assert_eq!((shared.created(), shared.idle()), (2, 0));
            first.push_str("used");
            drop(first);
            assert_eq!(shared.get().as_str(), "used");
            drop(second);
            assert_eq!((shared.created(), shared.idle()), (2, 2));
        });
        party.join();
        // Whoever comes next gets them, wherever they lie.
        let both = [pool.try_get(), pool.try_get()];
        let mut texts = both.each_ref().map(|it| it.as_ref().unwrap().as_str());
        texts.sort_unstable();
        assert_eq!(texts, ["", "used"]);
        assert!(pool.try_get().is_none());
        assert_eq!(format!("{pool:?}"), "Pool { idle: 0, created: 2, .. }");
    });
}

#[test]
fn only_what_was_put_comes_out_and_each_item_is_used_by_one_party_at_a_time() {
    for_each_setting(|setting| {
        let (pool, alive) = counted(2);
        setting.run_all(8, {
            let pool = pool.clone();
            move |i| {
                for round in 0..100 {
                    let item = pool.get();
                    item.use_it();
                    match (i + round) % 7 {
                        0 => pool.put(PoolGuard::into_inner(item)),
                        1 => drop(PoolGuard::into_inner(item)),
                        2 => {
                            let second = pool.get();
                            drop(item);
                            second.use_it();
                        }
                        3 if round % 5 == 0 => pool.shrink(),
                        4 if round % 9 == 0 => pool.clear(),
                        _ => {}
                    }
                }
            }
        });
        // What is alive is idle, and goes with the pool.
        assert_eq!(alive.load(Ordering::Relaxed), pool.idle());
        assert!(pool.created() >= pool.idle());
        drop(pool);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn where_all_come_back_few_are_made() {
    for_each_setting(|setting| {
        let (pool, alive) = counted(64);
        setting.run_all(8, {
            let pool = pool.clone();
            move |_| (0..200).for_each(|_| pool.get().use_it())
        });
        // An item may be missed while it is given back: but that is rare.
        let made = pool.created();
        assert!((1..200).contains(&made), "{made} made for 8 parties");
        assert_eq!(alive.load(Ordering::Relaxed), made.min(pool.idle()));
    });
}

#[test]
fn no_more_items_are_kept_than_there_is_room_for() {
    for_each_setting(|setting| {
        let (pool, alive) = counted(3);
        let shared = pool.clone();
        let party = setting.start(move || {
            let many: Vec<_> = (0..2000).map(|_| shared.get()).collect();
            assert_eq!((shared.created(), shared.idle()), (2000, 0));
            drop(many);
        });
        party.join();
        let processors = std::thread::available_parallelism().unwrap().get();
        let most = 3 * processors.next_power_of_two().min(64);
        // All caches are filled, and the rest is gone.
        assert_eq!((pool.idle(), alive.load(Ordering::Relaxed)), (most, most));
        pool.clear();
        assert_eq!((pool.idle(), alive.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn an_item_that_nobody_needs_survives_one_shrink_and_not_two() {
    for_each_setting(|setting| {
        setting.run_all(1, |_| {
            let (pool, alive) = counted(8);
            let guards = [pool.get(), pool.get(), pool.get()];
            drop(guards);
            pool.shrink();
            assert_eq!(pool.idle(), 3);
            // One at a time is needed, of the three.
            drop(pool.get());
            drop(pool.get());
            pool.shrink();
            assert_eq!((pool.idle(), alive.load(Ordering::Relaxed)), (1, 1));
            drop(pool.get());
            pool.shrink();
            assert_eq!(pool.idle(), 1);
            pool.shrink();
            assert_eq!((pool.idle(), alive.load(Ordering::Relaxed)), (0, 0));
            pool.shrink();
        });
    });
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be_kept() {
    for_each_setting(|_| {
        let (pool, alive) = counted(0);
        drop(pool.get());
        pool.put(PoolGuard::into_inner(pool.get()));
        assert_eq!((pool.created(), pool.idle()), (2, 0));
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_panic_of_init_continues_and_leaves_the_pool_as_it_was() {
    for_each_setting(|setting| {
        let fails = Arc::new(AtomicBool::new(true));
        let asks = fails.clone();
        let pool = Arc::new(Pool::new(move || {
            assert!(!asks.load(Ordering::Relaxed), "on purpose");
            7
        }));
        for _ in 0..3 {
            let shared = pool.clone();
            let party = setting.start(move || drop(shared.get()));
            assert_eq!(party.panic_message(), "on purpose");
        }
        assert_eq!((pool.created(), pool.idle()), (0, 0));
        fails.store(false, Ordering::Relaxed);
        assert_eq!(*pool.get(), 7);
        assert_eq!((pool.created(), pool.idle()), (1, 1));
    });
}

#[test]
fn a_panic_of_the_user_gives_the_item_back() {
    for_each_setting(|setting| {
        let pool = Arc::new(Pool::new(|| 0));
        let shared = pool.clone();
        let party = setting.start(move || {
            *shared.get() = 1;
            let _item = shared.get();
            panic!("on purpose");
        });
        assert_eq!(party.panic_message(), "on purpose");
        assert_eq!(pool.idle(), 1);
        assert_eq!(*pool.get(), 1);
    });
}

/// An item whose `init` and `drop` use the pool that it is in, and park.
struct Nested(Weak<NestedPool>, u32);
type NestedPool = Pool<Nested, Box<dyn Fn() -> Nested + Send + Sync>>;

impl Drop for Nested {
    fn drop(&mut self) {
        yield_now();
        if let Some(pool) = self.0.upgrade() {
            drop(pool.try_get());
            if self.1 > 0 {
                pool.put(Nested(self.0.clone(), self.1 - 1));
            }
        }
    }
}

#[test]
fn init_and_drop_of_items_may_park_and_use_the_same_pool() {
    for_each_setting(|setting| {
        let pool = Arc::new_cyclic(|weak: &Weak<NestedPool>| {
            let weak = weak.clone();
            let depth = AtomicUsize::new(0);
            let init = move || {
                yield_now();
                if depth.fetch_add(1, Ordering::Relaxed) < 20
                    && let Some(pool) = weak.upgrade()
                {
                    drop(pool.get());
                    drop(pool.get());
                }
                Nested(weak.clone(), 2)
            };
            NestedPool::with_capacity(Box::new(init), 2)
        });
        setting.run_all(4, {
            let pool = pool.clone();
            move |i| {
                for round in 0..15 {
                    let many: Vec<_> = (0..6).map(|_| pool.get()).collect();
                    drop(many);
                    match (i + round) % 5 {
                        0 => pool.clear(),
                        1 => pool.shrink(),
                        _ => {}
                    }
                }
            }
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_an_item_loses_no_other_one_and_no_lock() {
    /// Panics when it is dropped, if it is the first.
    struct Bomb(u32, Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
            assert!(self.0 != 0, "on purpose");
        }
    }
    for_each_setting(|setting| {
        setting.run_all(1, |_| {
            let dropped = Arc::new(AtomicUsize::new(0));
            let pool = Pool::with_capacity(|| Bomb(9, dropped.clone()), 4);
            for i in 0..3 {
                pool.put(Bomb(i, dropped.clone()));
            }
            assert!(catch_unwind(AssertUnwindSafe(|| pool.clear())).is_err());
            assert_eq!((dropped.load(Ordering::Relaxed), pool.idle()), (3, 0));
            drop([pool.get(), pool.get()]);
            pool.clear();
            assert_eq!((dropped.load(Ordering::Relaxed), pool.idle()), (5, 0));
        });
    });
}

#[test]
fn an_item_may_be_given_back_elsewhere() {
    static POOL: OnceLock<Pool<Vec<u8>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool::new(Vec::new));
    for_each_setting(|setting| {
        for _ in 0..100 {
            let mut item = pool.get();
            item.resize(10, 1);
            let party = setting.start(move || {
                item.push(2);
                drop(item);
            });
            party.join();
        }
        assert!(pool.idle() >= 1);
        assert!(pool.created() < 10, "{} made", pool.created());
    });
}

#[test]
fn a_pool_may_be_shared_where_its_items_may_be_sent() {
    fn sent_and_shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    sent_and_shared::<Pool<Cell<u8>>>();
    sent_and_shared::<Pool<Vec<u8>>>();
    sent_and_shared::<PoolGuard<'static, Vec<u8>>>();
    sent::<PoolGuard<'static, Cell<u8>>>();
    // Items without a size, too.
    let pool = Pool::new(|| ());
    drop([pool.get(), pool.get()]);
    assert_eq!(pool.idle(), 2);
}
