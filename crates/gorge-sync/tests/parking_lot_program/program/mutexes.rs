//! Mutexes, their guards, and guards of parts.

use super::Lines;
use super::locks::{MappedMutexGuard, Mutex, MutexGuard, const_mutex};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

static COUNTER: Mutex<u32> = Mutex::new(7);
static NAMES: Mutex<Vec<&'static str>> = const_mutex(Vec::new());

/// A struct that keeps a guard, as programs do.
struct Session<'a> {
    names: MutexGuard<'a, Vec<&'static str>>,
}

impl Session<'_> {
    fn last(&mut self) -> Option<&mut &'static str> {
        self.names.last_mut()
    }
}

fn first_of(pair: &Mutex<(u8, String)>) -> MappedMutexGuard<'_, u8> {
    MutexGuard::map(pair.lock(), |pair| &mut pair.0)
}

pub(super) fn run(lines: &mut Lines) {
    statics(lines);
    forms_of_locking(lines);
    guards(lines);
    parts(lines);
    by_hand(lines);
}

fn statics(lines: &mut Lines) {
    *COUNTER.lock() = 7;
    *COUNTER.lock() += 1;
    lines.say("counter", &COUNTER);
    NAMES.lock().clear();
    NAMES.lock().extend(["a", "b"]);
    let mut session = Session {
        names: NAMES.lock(),
    };
    lines.say("last", session.last());
    lines.say("taken", &NAMES);
    lines.say("guard", &session.names);
    drop(session);
    lines.say("names", &NAMES);
}

fn forms_of_locking(lines: &mut Lines) {
    let mut mutex = Mutex::from(1);
    lines.say("default", Mutex::<Option<u8>>::default());
    let guard = mutex.lock();
    lines.say(
        "while held",
        (mutex.is_locked(), mutex.try_lock().is_none()),
    );
    let in_a_moment = Instant::now() + Duration::from_millis(1);
    lines.say("until", mutex.try_lock_until(in_a_moment).is_none());
    lines.say("after that", Instant::now() >= in_a_moment);
    lines.say(
        "for",
        mutex.try_lock_for(Duration::from_millis(1)).is_none(),
    );
    drop(guard);
    lines.say("free", (mutex.is_locked(), mutex.try_lock().map(|it| *it)));
    let timed = mutex.try_lock_for(Duration::from_secs(600));
    lines.say("free for", timed.as_deref());
    drop(timed);
    let timed = mutex.try_lock_until(Instant::now());
    lines.say("free until now", timed.is_some());
    drop(timed);
    *mutex.get_mut() += 1;
    lines.say("into inner", mutex.into_inner());
}

fn guards(lines: &mut Lines) {
    let mutex = Mutex::new(String::from("x"));
    let mut guard = mutex.lock();
    guard.push('y');
    lines.say("displayed", format!("{guard}"));
    lines.say("its mutex", std::ptr::eq(MutexGuard::mutex(&guard), &mutex));
    let free = MutexGuard::unlocked(&mut guard, || mutex.try_lock().is_some());
    let free_too = MutexGuard::unlocked_fair(&mut guard, || mutex.try_lock().is_some());
    lines.say("unlocked", (free, free_too, mutex.is_locked()));
    MutexGuard::bump(&mut guard);
    lines.say("bumped", mutex.is_locked());
    MutexGuard::unlock_fair(guard);
    lines.say("unlocked fairly", mutex.is_locked());

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = mutex.lock();
        guard.push('z');
        panic!("with the lock");
    }));
    lines.say("panicked", (panicked.is_err(), &*mutex.lock()));

    let unsized_mutex: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
    unsized_mutex.lock()[1] = 9;
    lines.say("a slice", unsized_mutex);
    let leaked: &'static Mutex<u8> = Box::leak(Box::new(Mutex::new(4)));
    *MutexGuard::leak(leaked.lock()) += 1;
    lines.say("leaked", leaked.is_locked());
}

fn parts(lines: &mut Lines) {
    let pair = Mutex::new((1, String::from("one")));
    let mut first = first_of(&pair);
    *first += 1;
    lines.say("a part", (&first, format!("{first}"), pair.is_locked()));
    drop(first);
    let text = MutexGuard::map(pair.lock(), |pair| &mut pair.1);
    let mut bytes = MappedMutexGuard::map(text, String::as_mut_str);
    bytes.make_ascii_uppercase();
    MappedMutexGuard::unlock_fair(bytes);
    lines.say("upper", &pair);

    let none = MutexGuard::try_map(pair.lock(), |_| None::<&mut u8>);
    lines.say("no part", none.map(drop).map_err(|guard| guard.0));
    let some = MutexGuard::try_map(pair.lock(), |pair| Some(&mut pair.1));
    let some = some.expect("there is one");
    let none = MappedMutexGuard::try_map(some, |_| None::<&mut u8>);
    lines.say("no part of it", none.map(drop).map_err(|guard| guard.len()));
    let why = MutexGuard::try_map_or_err(pair.lock(), |_| Err::<&mut u8, _>("so"));
    lines.say("why", why.map(drop).map_err(|(_, why)| why));
    lines.say("free again", pair.is_locked());
}

fn by_hand(lines: &mut Lines) {
    let mutex = Mutex::new(1);
    mem::forget(mutex.lock());
    // SAFETY: the guard was forgotten, so this owns the lock; the value is not
    // borrowed.
    unsafe {
        *mutex.data_ptr() += 1;
        mutex.force_unlock();
    }
    mem::forget(mutex.lock());
    // SAFETY: as above.
    unsafe { mutex.force_unlock_fair() };
    mem::forget(mutex.lock());
    // SAFETY: as above; the guard that is made is the only one.
    let guard = unsafe { mutex.make_guard_unchecked() };
    lines.say("made", *guard);
    drop(guard);
    lines.say("free at last", &mutex);
}
