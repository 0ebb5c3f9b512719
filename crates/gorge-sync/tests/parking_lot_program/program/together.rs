//! Parties that use the locks at the same time.

use super::Lines;
use super::locks::{Condvar, Mutex, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard};
use crate::{Job, Join};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

const PARTIES: u32 = 4;
const ROUNDS: u32 = 100;

pub(super) fn run(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    count(lines, start);
    queue(lines, start);
    cache(lines, start);
    accounts(lines, start);
}

fn run_all<T: Send + Sync + 'static>(
    start: &dyn Fn(Job) -> Join,
    shared: &Arc<T>,
    body: fn(&T, u32),
) {
    let party = |me| {
        let shared = Arc::clone(shared);
        start(Box::new(move || body(&shared, me)))
    };
    let joins: Vec<_> = (0..PARTIES).map(party).collect();
    joins.into_iter().for_each(|join| join());
}

fn count(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let count = Arc::new(Mutex::new(0));
    run_all(start, &count, |count, _| {
        for _ in 0..ROUNDS {
            *count.lock() += 1;
        }
    });
    lines.say("counted", count);
}

/// A queue with room for two, between parties that put and parties that take.
#[derive(Default)]
struct Queue {
    items: Mutex<VecDeque<u32>>,
    not_full: Condvar,
    not_empty: Condvar,
    taken: Mutex<Vec<u32>>,
}

fn queue(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let queue = Arc::new(Queue::default());
    run_all(start, &queue, |queue, me| {
        for round in 0..ROUNDS {
            let mut items = queue.items.lock();
            if me % 2 == 0 {
                queue
                    .not_full
                    .wait_while(&mut items, |items| items.len() == 2);
                items.push_back(me * ROUNDS + round);
                queue.not_empty.notify_one();
            } else {
                while items.is_empty() {
                    queue.not_empty.wait(&mut items);
                }
                let item = items.pop_front();
                drop(items);
                queue.not_full.notify_one();
                queue.taken.lock().extend(item);
            }
        }
    });
    let mut taken = queue.taken.lock();
    taken.sort_unstable();
    lines.say("taken", taken);
    lines.say("left", &queue.items);
}

/// Looks something up, and computes it if it is not there, once.
fn cache(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let cache = Arc::new((RwLock::new(HashMap::new()), Mutex::new(0)));
    run_all(start, &cache, |(cache, computed), me| {
        for key in 0..20 {
            let known = cache.read().get(&key).copied();
            let value = known.unwrap_or_else(|| {
                let known = cache.upgradable_read();
                if let Some(value) = known.get(&key) {
                    return *value;
                }
                *computed.lock() += 1;
                let mut known = RwLockUpgradableReadGuard::upgrade(known);
                known.insert(key, key * key);
                RwLockWriteGuard::downgrade(known)[&key]
            });
            assert_eq!(value, key * key, "party {me}");
        }
    });
    let mut known: Vec<_> = cache.0.read().iter().map(|(&k, &v)| (k, v)).collect();
    known.sort_unstable();
    lines.say("known", (known, &cache.1));
}

/// Moves amounts between accounts; whoever sums them up finds all of it.
fn accounts(lines: &mut Lines, start: &dyn Fn(Job) -> Join) {
    let accounts = Arc::new(RwLock::new([100_u32; 4]));
    run_all(start, &accounts, |accounts, me| {
        for round in 0..ROUNDS {
            let (from, to) = (me as usize, (round % PARTIES) as usize);
            if round % 3 == 0 {
                assert_eq!(accounts.read().iter().sum::<u32>(), 400);
                continue;
            }
            let mut accounts = accounts.write();
            let amount = accounts[from].min(7);
            accounts[from] -= amount;
            accounts[to] += amount;
        }
    });
    let total: u32 = accounts.read().iter().sum();
    lines.say("total", total);
}
