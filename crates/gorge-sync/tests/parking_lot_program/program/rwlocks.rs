//! Reader-writer locks, upgrades and downgrades, and guards of parts.

use super::Lines;
use super::locks::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard, const_rwlock,
};
use std::mem;
use std::time::{Duration, Instant};

static LIMITS: RwLock<[u32; 2]> = RwLock::new([1, 2]);
static TITLE: RwLock<String> = const_rwlock(String::new());

const MOMENT: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(600);

fn second(limits: &RwLock<[u32; 2]>) -> MappedRwLockReadGuard<'_, u32> {
    RwLockReadGuard::map(limits.read(), |limits| &limits[1])
}

pub(super) fn run(lines: &mut Lines) {
    statics(lines);
    what_goes_together(lines);
    timed(lines);
    upgrades(lines);
    timed_upgrades(lines);
    downgrades(lines);
    unlocking(lines);
    parts(lines);
    by_hand(lines);
}

fn statics(lines: &mut Lines) {
    LIMITS.write()[0] = 5;
    lines.say("limits", &LIMITS);
    TITLE.write().clear();
    TITLE.write().push_str("title");
    lines.say("title", &*TITLE.read());
    let reading = LIMITS.read();
    lines.say("read", (&LIMITS, &reading));
    drop(reading);
    let writing = LIMITS.write();
    lines.say("written", (&LIMITS, &writing));
    drop(writing);
    let mut own = RwLock::from(3);
    *own.get_mut() += 1;
    lines.say("own", (own.into_inner(), RwLock::<u8>::default()));
}

/// Whether there is a guard, which goes at once.
fn got<G>(guard: Option<G>) -> bool {
    guard.is_some()
}

/// Who gets in: a reader, a recursive one, an upgradable one, a writer.
fn get_in(lock: &RwLock<i32>) -> [bool; 6] {
    [
        lock.is_locked(),
        lock.is_locked_exclusive(),
        got(lock.try_read()),
        got(lock.try_read_recursive()),
        got(lock.try_upgradable_read()),
        got(lock.try_write()),
    ]
}

fn what_goes_together(lines: &mut Lines) {
    let lock = RwLock::new(0);
    lines.say("free", get_in(&lock));
    let reading = lock.read();
    lines.say("read", get_in(&lock));
    let again = lock.read_recursive();
    lines.say("read twice", (get_in(&lock), *reading + *again));
    drop((reading, again));
    let upgradable = lock.upgradable_read();
    lines.say("read upgradably", get_in(&lock));
    drop(upgradable);
    let mut writing = lock.write();
    *writing = 1;
    lines.say("written", get_in(&lock));
    drop(writing);
    lines.say("free again", get_in(&lock));
}

fn timed(lines: &mut Lines) {
    let lock = RwLock::new(0);
    let get_in = |limit: Duration| {
        [
            got(lock.try_read_for(limit)),
            got(lock.try_read_until(Instant::now() + limit)),
            got(lock.try_read_recursive_for(limit)),
            got(lock.try_read_recursive_until(Instant::now() + limit)),
            got(lock.try_upgradable_read_for(limit)),
            got(lock.try_upgradable_read_until(Instant::now() + limit)),
            got(lock.try_write_for(limit)),
            got(lock.try_write_until(Instant::now() + limit)),
        ]
    };
    lines.say("free", get_in(AGES));
    let reading = lock.read();
    lines.say("read", get_in(MOMENT));
    drop(reading);
    let writing = lock.write();
    lines.say("written", get_in(MOMENT));
    drop(writing);
    lines.say("free again", get_in(Duration::ZERO));
}

fn upgrades(lines: &mut Lines) {
    let lock = RwLock::new(1);
    let upgradable = lock.upgradable_read();
    let same = std::ptr::eq(RwLockUpgradableReadGuard::rwlock(&upgradable), &lock);
    lines.say("upgradable", (&upgradable, format!("{upgradable}"), same));
    let reading = lock.read();
    let refused = RwLockUpgradableReadGuard::try_upgrade(upgradable);
    let upgradable = refused.expect_err("somebody reads");
    drop(reading);
    let mut writing = RwLockUpgradableReadGuard::upgrade(upgradable);
    *writing += 1;
    lines.say("upgraded", (*writing, lock.is_locked_exclusive()));
    drop(writing);
    let upgradable = lock.upgradable_read();
    let upgraded = RwLockUpgradableReadGuard::try_upgrade(upgradable);
    *upgraded.expect("nobody else reads") += 1;
    let mut upgradable = lock.upgradable_read();
    let doubled = upgradable.with_upgraded(|value| {
        *value *= 2;
        *value
    });
    let tried = upgradable.try_with_upgraded(|value| mem::replace(value, 5));
    lines.say("with", (doubled, tried, *upgradable));
    let reading = lock.read();
    lines.say("without", upgradable.try_with_upgraded(|value| *value));
    drop(reading);
    let free = RwLockUpgradableReadGuard::unlocked(&mut upgradable, || lock.try_write().is_some());
    let free_too =
        RwLockUpgradableReadGuard::unlocked_fair(&mut upgradable, || lock.try_write().is_some());
    RwLockUpgradableReadGuard::bump(&mut upgradable);
    lines.say("unlocked", (free, free_too, get_in(&lock)));
    RwLockUpgradableReadGuard::unlock_fair(upgradable);
    lines.say("free", get_in(&lock));
}

fn timed_upgrades(lines: &mut Lines) {
    let lock = RwLock::new(1);
    let (upgradable, reading) = (lock.upgradable_read(), lock.read());
    let refused = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, MOMENT);
    let upgradable = refused.expect_err("somebody reads");
    let moment = Instant::now() + MOMENT;
    let refused = RwLockUpgradableReadGuard::try_upgrade_until(upgradable, moment);
    let mut upgradable = refused.expect_err("somebody reads");
    let with = upgradable.try_with_upgraded_for(MOMENT, |value| *value);
    let moment = Instant::now() + MOMENT;
    let until = upgradable.try_with_upgraded_until(moment, |value| *value);
    lines.say("refused", (with, until, *upgradable, *reading));
    drop(reading);
    lines.say(
        "with",
        upgradable.try_with_upgraded_for(AGES, |value| *value),
    );
    let upgraded = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, AGES);
    *upgraded.expect("nobody else reads") += 1;
    lines.say("upgraded", &lock);
}

fn downgrades(lines: &mut Lines) {
    let lock = RwLock::new(1);
    let mut writing = lock.write();
    *writing += 1;
    let reading = RwLockWriteGuard::downgrade(writing);
    lines.say("downgraded", (*reading, get_in(&lock)));
    drop(reading);
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(lock.write());
    lines.say("half", (*upgradable, get_in(&lock)));
    let reading = RwLockUpgradableReadGuard::downgrade(upgradable);
    lines.say("quite", (*reading, get_in(&lock)));
    drop(reading);
    lines.say("free", get_in(&lock));
}

fn unlocking(lines: &mut Lines) {
    let lock = RwLock::new(1);
    let mut reading = lock.read();
    let same = std::ptr::eq(RwLockReadGuard::rwlock(&reading), &lock);
    let free = RwLockReadGuard::unlocked(&mut reading, || lock.try_write().is_some());
    let fair = RwLockReadGuard::unlocked_fair(&mut reading, || lock.try_write().is_some());
    RwLockReadGuard::bump(&mut reading);
    lines.say("reading", (same, free, fair, get_in(&lock)));
    RwLockReadGuard::unlock_fair(reading);
    let mut writing = lock.write();
    let same = std::ptr::eq(RwLockWriteGuard::rwlock(&writing), &lock);
    let free = RwLockWriteGuard::unlocked(&mut writing, || lock.try_write().is_some());
    let fair = RwLockWriteGuard::unlocked_fair(&mut writing, || lock.try_write().is_some());
    RwLockWriteGuard::bump(&mut writing);
    lines.say("writing", (same, free, fair, get_in(&lock)));
    RwLockWriteGuard::unlock_fair(writing);
    lines.say("free", get_in(&lock));
}

fn parts(lines: &mut Lines) {
    let lock = RwLock::new([10, 20]);
    let part = second(&lock);
    lines.say("a part", (&part, format!("{part}"), lock.is_locked()));
    MappedRwLockReadGuard::unlock_fair(part);
    let whole = RwLockWriteGuard::map(lock.write(), |whole| &mut whole[..]);
    let mut first = MappedRwLockWriteGuard::map(whole, |whole| &mut whole[0]);
    *first += 1;
    lines.say("to write", (&first, lock.is_locked_exclusive()));
    MappedRwLockWriteGuard::unlock_fair(first);
    let none = RwLockReadGuard::try_map(lock.read(), |_| None::<&u8>);
    lines.say("none", none.map(drop).map_err(|guard| guard[0]));
    let some = RwLockReadGuard::try_map(lock.read(), |it| it.first());
    let none = MappedRwLockReadGuard::try_map(some.expect("it is there"), |_| None::<&u8>);
    lines.say("none of it", none.map(drop).map_err(|guard| *guard));
    let none = RwLockWriteGuard::try_map(lock.write(), |_| None::<&mut u8>);
    lines.say("none to write", none.map(drop).map_err(|guard| guard[1]));
    let some = RwLockWriteGuard::try_map(lock.write(), |it| it.get_mut(1));
    let none = MappedRwLockWriteGuard::try_map(some.expect("it is there"), |_| None::<&mut u8>);
    lines.say("none of that", none.map(drop).map_err(|guard| *guard));
    lines.say("free", lock.is_locked());
}

fn by_hand(lines: &mut Lines) {
    let lock = RwLock::new(1);
    mem::forget((lock.read(), lock.read()));
    // SAFETY: both guards were forgotten, so this owns what they had.
    unsafe {
        lock.force_unlock_read();
        lock.force_unlock_read_fair();
    }
    mem::forget(lock.write());
    // SAFETY: as above; nobody borrows the value.
    unsafe {
        *lock.data_ptr() += 1;
        lock.force_unlock_write();
    }
    mem::forget(lock.write());
    // SAFETY: as above; the guard that is made is the only one.
    drop(unsafe { lock.make_write_guard_unchecked() });
    mem::forget(lock.upgradable_read());
    // SAFETY: as above.
    let upgradable = unsafe { lock.make_upgradable_guard_unchecked() };
    lines.say("made", (*upgradable, get_in(&lock)));
    drop(upgradable);
    lines.say("free at last", &lock);
}
