//! Waiters that come between notifications: each goes to who was there before.
#![cfg(not(gorge_loom))]

mod common;

use common::{Party, for_each_setting};
use gorge_sync::{Condvar, Mutex};
use std::sync::Arc;

/// Who waits, who was woken, and how often in all.
#[derive(Default)]
struct Log {
    waiting: usize,
    woken: Vec<usize>,
}

type Shared = Arc<(Mutex<Log>, Condvar)>;

fn wait_as(shared: &Shared, who: usize) {
    let mut log = shared.0.lock();
    log.waiting += 1;
    shared.1.wait(&mut log);
    log.waiting -= 1;
    log.woken.push(who);
}

/// Each notification comes when one waits for certain and the next is just coming.
#[test]
fn a_notification_goes_to_the_earlier_one_and_never_to_the_one_who_comes() {
    for_each_setting(|setting| {
        let shared = Shared::default();
        let start = |who| {
            let theirs = shared.clone();
            setting.start(move || wait_as(&theirs, who))
        };
        let mut parties = vec![start(0)];
        setting.until("the first waits", || shared.0.lock().waiting == 1);
        for earlier in 0..100 {
            parties.push(start(earlier + 1));
            assert!(shared.1.notify_one());
            setting.until("one is woken", || shared.0.lock().woken.len() > earlier);
            assert_eq!(shared.0.lock().woken[earlier], earlier);
            setting.until("the next waits", || shared.0.lock().waiting == 1);
        }
        assert_eq!(shared.1.notify_all(), 1);
        parties.into_iter().for_each(Party::join);
        assert_eq!(shared.0.lock().woken, Vec::from_iter(0..=100));
    });
}

/// A notification of all is for those who wait, not for who comes behind them.
#[test]
fn a_notification_of_all_leaves_those_who_come_later_waiting() {
    for_each_setting(|setting| {
        for round in 0..30 {
            let shared = Shared::default();
            let start = |who| {
                let theirs = shared.clone();
                setting.start(move || wait_as(&theirs, who))
            };
            let crowd = 1 + round % 4;
            let mut parties: Vec<_> = (0..crowd).map(start).collect();
            setting.until("all wait", || shared.0.lock().waiting == crowd);
            let log = shared.0.lock();
            assert_eq!(shared.1.notify_all(), crowd);
            parties.push(start(crowd));
            drop(log);
            setting.until("the crowd is woken", || {
                shared.0.lock().woken.len() >= crowd
            });
            setting.until("the late one waits", || shared.0.lock().waiting == 1);
            assert!(!shared.0.lock().woken.contains(&crowd));
            assert!(shared.1.notify_one());
            parties.into_iter().for_each(Party::join);
        }
    });
}
