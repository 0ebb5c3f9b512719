//! Loom models: every interleaving of two or three parties, within loom's
//! memory model. A lost wake-up shows as a deadlock, a lost exclusion or a
//! missing ordering as concurrent access to the cell.

use super::raw::RawRwLock;
use super::word::{UPGRADABLE, WRITER, Want};
use gorge_runtime::time;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    lock: RawRwLock,
    value: UnsafeCell<u32>,
}

// SAFETY: the models touch the cell under the lock only, which loom checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            lock: RawRwLock::new(),
            value: UnsafeCell::new(0),
        })
    }

    fn look(&self) -> u32 {
        // SAFETY: the caller may read, and loom checks that.
        self.value.with(|value| unsafe { *value })
    }

    fn count(&self) {
        // SAFETY: the caller may write, and loom checks that.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self) {
        self.lock.acquire_read(Want::Read);
        self.look();
        self.lock.release_read();
    }

    fn write(&self) {
        self.lock.acquire_write();
        self.count();
        self.lock.release_write(false);
    }

    fn timed_write(&self) -> u32 {
        if !self.lock.acquire_until(Want::Write, || Some(time::now())) {
            return 0;
        }
        self.count();
        self.lock.release_write(false);
        1
    }

    fn acquire_upgradable(&self) {
        assert!(self.lock.acquire_until(Want::Upgradable, || None));
    }

    /// Looks, and then counts, with nobody writing in between.
    fn upgrade(&self) {
        self.acquire_upgradable();
        let before = self.look();
        assert!(self.lock.upgrade_until(|| None));
        assert_eq!(self.look(), before);
        self.count();
        self.lock.release_write(false);
    }

    /// The lock is free, nobody is queued, and it was written this often.
    fn assert_over(&self, times: u32) {
        assert_eq!(self.lock.queued(), 0);
        assert!(self.lock.word.write_free(), "flags are left");
        assert_eq!(self.look(), times);
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn(shared: &Arc<Shared>, f: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

#[test]
fn a_reader_and_a_writer_exclude_each_other_and_both_get_it() {
    check(4, || {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::read);
        shared.write();
        other.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn two_writers_exclude_each_other_and_both_get_it() {
    check(4, || {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::write);
        shared.write();
        other.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_writer_that_writes_again_and_again_leaves_no_reader_asleep() {
    check(3, || {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::read);
        shared.write();
        shared.write();
        shared.write();
        other.join().unwrap();
        shared.assert_over(3);
    });
}

#[test]
fn two_readers_and_a_writer_all_get_it() {
    check(2, || {
        let shared = Shared::new();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::read);
        shared.write();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn two_writers_and_a_reader_all_get_it() {
    check(2, || {
        let shared = Shared::new();
        let second = spawn(&shared, Shared::write);
        let third = spawn(&shared, Shared::write);
        shared.read();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn whoever_waits_for_a_writer_gets_it_when_it_leaves() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_write();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::write);
        shared.count();
        shared.lock.release_write(false);
        shared.write();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(3);
    });
}

#[test]
fn a_fair_unlock_hands_over_and_loses_nobody() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_write();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::write);
        shared.count();
        shared.lock.release_write(true);
        shared.lock.acquire_write();
        shared.count();
        shared.lock.release_write(true);
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(3);
    });
}

#[test]
fn an_upgrade_waits_for_readers_and_nobody_writes_before_it() {
    check(2, || {
        let shared = Shared::new();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::write);
        shared.upgrade();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn an_upgrade_meets_readers_that_leave() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::upgrade);
        shared.look();
        shared.lock.release_read();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn upgradable_readers_take_turns() {
    check(2, || {
        let shared = Shared::new();
        let second = spawn(&shared, Shared::upgrade);
        let third = spawn(&shared, |shared| {
            shared.acquire_upgradable();
            shared.look();
            shared.lock.release_upgradable(true);
        });
        shared.write();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_recursive_reader_meets_a_writer_that_waits_for_the_first_read() {
    check(3, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let other = spawn(&shared, Shared::write);
        shared.lock.acquire_read(Want::ReadRecursive);
        shared.look();
        shared.lock.release_read();
        shared.look();
        shared.lock.release_read();
        other.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn a_downgrade_lets_no_writer_in() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_write();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::write);
        shared.count();
        let mine = shared.look();
        shared.lock.downgrade(WRITER);
        assert_eq!(shared.look(), mine);
        shared.lock.release_read();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_downgrade_lets_all_readers_in() {
    for token in [WRITER, UPGRADABLE] {
        check(2, move || {
            let shared = Shared::new();
            shared.lock.acquire_write();
            let second = spawn(&shared, Shared::read);
            let third = spawn(&shared, Shared::read);
            if token == WRITER {
                shared.lock.downgrade(WRITER);
            } else {
                shared.lock.downgrade_to_upgradable();
            }
            // They end although this one does not.
            second.join().unwrap();
            third.join().unwrap();
            match token {
                WRITER => shared.lock.release_read(),
                _ => shared.lock.release_upgradable(false),
            }
            shared.assert_over(0);
        });
    }
}

#[test]
fn a_downgrade_to_upgradable_lets_no_writer_in() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_write();
        let second = spawn(&shared, Shared::read);
        let third = spawn(&shared, Shared::write);
        shared.count();
        shared.lock.downgrade_to_upgradable();
        let mine = shared.look();
        shared.lock.downgrade(UPGRADABLE);
        assert_eq!(shared.look(), mine);
        shared.lock.release_read();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_writer_that_gives_up_lets_in_the_readers_behind_it() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let timed = spawn(&shared, |shared| assert_eq!(shared.timed_write(), 0));
        let behind = spawn(&shared, Shared::read);
        // Both end although this one still reads.
        timed.join().unwrap();
        behind.join().unwrap();
        shared.lock.release_read();
        shared.assert_over(0);
    });
}

#[test]
fn a_timed_writer_that_meets_the_last_reader_ends_one_way_or_the_other() {
    check(3, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let written = Arc::new(UnsafeCell::new(0));
        let theirs = Arc::clone(&written);
        let timed = spawn(&shared, move |shared| {
            let times = shared.timed_write();
            // SAFETY: read after the join.
            theirs.with_mut(|written| unsafe { *written = times });
        });
        shared.look();
        shared.lock.release_read();
        timed.join().unwrap();
        // SAFETY: the other thread was joined.
        let times = written.with(|written| unsafe { *written });
        shared.assert_over(times);
    });
}

#[test]
fn a_last_reader_that_meets_a_writer_at_its_deadline_lets_no_reader_in_uncounted() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let timed = spawn(&shared, |shared| {
            shared.timed_write();
        });
        let behind = spawn(&shared, Shared::read);
        shared.lock.release_read();
        timed.join().unwrap();
        behind.join().unwrap();
        assert_eq!(shared.lock.queued(), 0);
        assert!(shared.lock.word.write_free(), "flags are left");
    });
}

#[test]
fn a_timed_upgrade_that_gives_up_stays_upgradable() {
    check(3, || {
        let shared = Shared::new();
        shared.lock.acquire_read(Want::Read);
        let other = spawn(&shared, |shared| {
            shared.acquire_upgradable();
            match shared.lock.upgrade_until(|| Some(time::now())) {
                true => {
                    shared.count();
                    shared.lock.release_write(false);
                }
                false => {
                    shared.look();
                    shared.lock.release_upgradable(false);
                }
            }
        });
        shared.look();
        shared.lock.release_read();
        shared.read();
        other.join().unwrap();
        assert_eq!(shared.lock.queued(), 0);
        assert!(shared.lock.word.write_free());
    });
}

#[test]
fn a_waiter_that_times_out_takes_no_wake_up_from_another() {
    check(2, || {
        let shared = Shared::new();
        shared.lock.acquire_write();
        let timed = spawn(&shared, |shared| {
            shared.timed_write();
        });
        let patient = spawn(&shared, Shared::write);
        shared.lock.release_write(false);
        timed.join().unwrap();
        patient.join().unwrap();
        assert_eq!(shared.lock.queued(), 0);
        assert!(shared.lock.word.write_free());
    });
}

#[test]
fn a_lock_may_be_freed_by_the_next_holder() {
    check(3, || {
        let shared = Shared::new();
        let other = spawn(&shared, |shared| shared.read());
        shared.lock.acquire_write();
        shared.count();
        shared.lock.release_write(false);
        drop(shared);
        other.join().unwrap();
    });
}
