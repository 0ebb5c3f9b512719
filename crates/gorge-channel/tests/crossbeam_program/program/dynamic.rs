//! `Select` and what it returns.

use super::channel::{
    Receiver, Select, SelectTimeoutError, SelectedOperation, Sender, TrySelectError, bounded,
    never, unbounded,
};
use crate::Notes;
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);

pub(crate) fn operations_are_added_and_removed(notes: &mut Notes) {
    fn shared<T: Clone + Debug + Default + Send + Sync>(_: &T) -> T {
        T::default()
    }
    let ((s1, r1), (s2, r2)) = (unbounded::<i32>(), bounded::<String>(1));
    let mut select = Select::new();
    note!(notes: select, shared(&select), select.send(&s1), select.recv(&r1), select.recv(&r1));
    note!(notes: select.send(&s2), select.recv(&r2), format!("{select:>20?}|{select:#?}"));
    select.remove(0);
    select.remove(3);
    note!(notes: select.try_ready(), select.recv(&r2));
    s2.send("text".to_owned()).unwrap();
    select.remove(4);
    let operation: SelectedOperation<'_> = select.select();
    note!(notes: operation, format!("{operation:>30?}"), operation.index(), operation.recv(&r2));
    select.remove(5);
    note!(notes: select.try_select().map(|_| ()), select.select_timeout(MS).map(|_| ()));
    s1.send(7).unwrap();
    select.remove(1);
    let operation = select.select();
    note!(notes: operation.index(), operation.recv(&r1));
    select.remove(2);
    note!(notes: select.try_select().map(|_| ()), select.try_ready());
    note!(notes: select.recv(&r1));
}

/// Completes an operation of a set whose even indices receive, and odd ones send.
fn complete(operation: SelectedOperation<'_>, r: &Receiver<i32>, s: &Sender<i32>) -> String {
    match operation.index() {
        index if index % 2 == 0 => format!("{index}: {:?}", operation.recv(r)),
        index => format!("{index}: {:?}", operation.send(s, 5)),
    }
}

pub(crate) fn operations_are_selected_in_every_way(notes: &mut Notes) {
    type Way = fn(&mut Select<'_>) -> Option<usize>;
    let (s, r) = bounded(1);
    let both = || {
        let mut select = Select::new();
        select.recv(&r);
        select.send(&s);
        select
    };
    for _ in 0..2 {
        note!(notes: complete(both().select(), &r, &s));
        note!(notes: both().try_select().map(|it| complete(it, &r, &s)));
        note!(notes: both().select_timeout(MS).map(|it| complete(it, &r, &s)));
        note!(notes: both().select_deadline(Instant::now()).map(|it| complete(it, &r, &s)));
        note!(notes: both().select_timeout(Duration::ZERO).map(|it| complete(it, &r, &s)));
    }
    let nothing = never::<i32>();
    let mut idle = Select::new();
    idle.recv(&nothing);
    let start = Instant::now();
    note!(notes: idle.try_select().map(|_| ()) == Err(TrySelectError));
    note!(notes: idle.select_timeout(MS).map(|_| ()) == Err(SelectTimeoutError));
    note!(notes: idle.select_deadline(start + 2 * MS).map(|_| ()), start.elapsed() >= 2 * MS);
    note!(notes: idle.select_deadline(start).map(|_| ()));
    note!(notes: idle.try_ready(), idle.ready_timeout(MS), idle.ready_deadline(start));
    // It has an index like others, and is taken out as they are.
    let (s, r) = bounded(1);
    note!(notes: idle.send(&s), idle.recv(&r));
    note!(notes: idle.ready(), complete(idle.select(), &r, &s), idle.ready());
    idle.remove(0);
    note!(notes: complete(idle.select(), &r, &s));
    notes.add_panic("taken out twice", || idle.remove(0));
    // What has no end is ready.
    let (s, r) = (bounded(0).0, bounded(0).1);
    let mut gone = Select::new();
    gone.recv(&r);
    note!(notes: gone.try_select().map(|it| complete(it, &r, &s)));
    note!(notes: gone.select_timeout(LONG).map(|it| complete(it, &r, &s)));
    gone.remove(0);
    gone.send(&s);
    note!(notes: complete(gone.select(), &r, &s));
    let ways: [Way; 2] = [|set| set.try_ready().ok(), |set| Some(set.ready())];
    note!(notes: ways.map(|way| way(&mut gone)));
    // Wakes whoever waits.
    thread::scope(|scope| {
        let (s, r) = bounded(0);
        let other = r.clone();
        let waits = scope.spawn(move || {
            let mut select = Select::new();
            select.recv(&other);
            let operation = select.select_timeout(LONG).unwrap();
            (operation.index(), operation.recv(&other))
        });
        s.send("awake").unwrap();
        note!(notes: waits.join().unwrap());
        let waits = scope.spawn(move || {
            let mut select = Select::new_biased();
            select.recv(&r);
            let operation = select.select();
            operation.recv(&r)
        });
        drop(s);
        note!(notes: waits.join().unwrap());
    });
}

pub(crate) fn readiness_is_told_in_every_way(notes: &mut Notes) {
    let ((s1, r1), (s2, r2)) = (bounded::<i32>(1), bounded::<u8>(0));
    let mut select = Select::new();
    select.recv(&r1);
    select.recv(&r2);
    let start = Instant::now();
    note!(notes: select.try_ready(), select.ready_timeout(MS), start.elapsed() >= MS);
    note!(notes: select.ready_deadline(start), select.ready_timeout(Duration::ZERO));
    s1.send(1).unwrap();
    note!(notes: select.ready(), select.try_ready(), select.ready_timeout(LONG));
    note!(notes: select.ready_deadline(start), r1.try_recv(), r1.try_recv());
    drop(s2);
    note!(notes: select.ready(), r2.try_recv(), select.try_ready());
    let mut sends = Select::new();
    sends.send(&s1);
    note!(notes: sends.ready(), s1.try_send(2), sends.try_ready());
    drop(select);
    drop(r1);
    note!(notes: sends.ready(), s1.try_send(3));
    note!(notes: Select::new().try_ready(), Select::new().ready_timeout(MS));
    note!(notes: Select::new().ready_deadline(start), Select::default().select_timeout(MS).is_err());
    thread::scope(|scope| {
        let (s, r) = bounded(0);
        let waits = scope.spawn(move || {
            let mut select = Select::new();
            select.recv(&r);
            loop {
                let index = select.ready();
                if let Ok(value) = r.try_recv() {
                    break (index, value);
                }
            }
        });
        s.send('x').unwrap();
        note!(notes: waits.join().unwrap());
    });
}

pub(crate) fn sets_are_cloned_and_used_again(notes: &mut Notes) {
    let (s, r) = unbounded::<usize>();
    let (done, all_done) = unbounded();
    let mut select = Select::new();
    let values = select.recv(&r);
    let mut biased = Select::new_biased();
    note!(notes: biased.recv(&r), biased.send(&s), biased.recv(&r), biased);
    for number in 0..100 {
        s.send(number).unwrap();
        let operation = select.select();
        assert_eq!(
            (operation.index(), operation.recv(&r)),
            (values, Ok(number))
        );
    }
    let mut indices = Vec::new();
    for _ in 0..4 {
        let operation = biased.select();
        indices.push(operation.index());
        match operation.index() {
            1 => operation.send(&s, 8).unwrap(),
            _ => assert_eq!(operation.recv(&r), Ok(8)),
        }
    }
    note!(notes: indices, biased.clone().select_timeout(LONG).map(|it| it.send(&s, 3)));
    note!(notes: r.recv());
    thread::scope(|scope| {
        for _ in 0..4 {
            let (mut own, done, r) = (select.clone(), done.clone(), &r);
            scope.spawn(move || {
                for _ in 0..25 {
                    let operation = own.select();
                    done.send(operation.recv(r).unwrap()).unwrap();
                }
            });
        }
        (0..100).for_each(|number| s.send(number).unwrap());
    });
    note!(notes: all_done.try_iter().sum::<usize>(), r.len());
}

pub(crate) fn mistakes_panic(notes: &mut Notes) {
    let (s, r) = bounded::<i32>(1);
    notes.add_panic("no operations", || drop(Select::new().select()));
    notes.add_panic("no operations to be ready", || _ = Select::new().ready());
    notes.add_panic("an index that was never there", || {
        let mut select = Select::new();
        select.recv(&r);
        select.remove(1);
    });
    notes.add_panic("an index that has gone", || {
        let mut select = Select::new();
        select.recv(&r);
        select.remove(0);
        select.remove(0);
    });
    notes.add_panic("an operation that is not completed", || {
        let mut select = Select::new();
        select.send(&s);
        drop(select.select());
    });
}
