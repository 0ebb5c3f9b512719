//! `select!` and `select_biased!`.

use super::channel::{
    self, Receiver, RecvError, SendError, Sender, after, bounded, never, select, select_biased,
    unbounded,
};
use crate::Notes;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);

#[rustfmt::skip]
pub(crate) fn every_form_of_select_may_be_written(notes: &mut Notes) {
    let (s, r) = bounded::<i32>(1);
    let nothing = never::<i32>();
    select! { default => note!(notes: "default") }
    select! { default() => note!(notes: "default()") };
    select! { default(MS) => note!(notes: "default(MS)"), }
    select! { default(MS,) => {} }
    select! { recv(r) -> _ => unreachable!(), default => note!(notes: 1) }
    select! { recv(r) -> _ => unreachable!(), default() => note!(notes: 2), }
    select! { recv(r) -> _ => unreachable!(), default(MS) => note!(notes: 3) }
    select! { default => note!(notes: 4), recv(r) -> _ => unreachable!(), recv(&nothing) -> _ => {} }
    select! { send(s, 1) -> sent => note!(notes: sent) }
    select! { send(&s, 2) -> _ => unreachable!(), default => note!(notes: 5) }
    select! { recv(r) -> value => note!(notes: value) }
    select! { recv(nothing) -> _ => {} send(s, 3) -> sent => note!(notes: sent) }
    select! {
        recv(r,) -> value => { note!(notes: value) },
        recv(nothing) -> _ => {}
        default => (),
    }
    select!(send(s, 4,) -> sent => note!(notes: sent), recv(nothing) -> _ => (), default(LONG) => ());
    select![recv(r) -> mut value => { value = value.map(|v| v + 1); note!(notes: value) }];
    channel::select! {
        recv(r) -> (Ok::<i32, RecvError>(_) | Err(_)) => unreachable!(),
        send(s, if true { 5 } else { unreachable!() }) -> sent => note!(notes: sent),
    }
    channel::select_biased! { recv(r) -> _value => note!(notes: "biased"), default => {} }
    {
        use channel::select as choose;
        choose! { recv(after(MS)) -> due => note!(notes: due.is_ok()), recv(never::<()>()) -> _ => {} }
    }
    drop(s);
    select! { recv(r) -> value => note!(notes: value), default => unreachable!() }
    let (s, r) = bounded::<i32>(0);
    drop(r);
    select! { send(s, 6) -> sent => note!(notes: sent), default(LONG) => unreachable!() }
}

pub(crate) fn selects_are_expressions(notes: &mut Notes) {
    let (s, r) = unbounded();
    s.send(20).unwrap();
    let value = select! { recv(r) -> value => value.unwrap() + 1, default => 0 };
    note!(notes: value, 1 + select! { recv(r) -> value => value.unwrap(), default => 41 });
    fn result(r: &Receiver<i32>) -> Result<i32, RecvError> {
        let value = select! {
            recv(r) -> value => value?,
            default(Duration::from_millis(1)) => return Ok(-1),
        };
        Ok(value * 2)
    }
    note!(notes: result(&r), s.send(4), result(&r));
    let text: &str = select! {
        send(s, 1) -> sent => match sent {
            Ok(()) => "sent",
            Err(SendError(_)) => "refused",
        },
    };
    note!(notes: text);
    drop(s);
    note!(notes: result(&r), result(&r));
    let diverges = || -> i32 {
        select! {
            recv(r) -> value => { let Err(RecvError) = value else { return 1 }; }
            recv(never::<String>()) -> text => drop(text),
        }
        2
    };
    note!(notes: diverges());
    let (s, r) = bounded::<Result<String, i32>>(1);
    note!(notes: select! { send(s, Err(3)) -> sent => sent });
    note!(notes: select! { recv(r) -> value => value.unwrap().unwrap_or_else(|n| n.to_string()) });
    let boxed: Box<dyn Fn() -> i32> = select! {
        recv(never::<u8>()) -> _ => Box::new(|| 1),
        default => Box::new(|| 2),
    };
    note!(notes: boxed());
}

pub(crate) fn handlers_may_do_what_expressions_may(notes: &mut Notes) {
    let (s, r) = unbounded();
    (0..10).for_each(|number| s.send(number).unwrap());
    let mut seen = Vec::new();
    'outer: loop {
        for round in 0.. {
            select! {
                recv(r) -> value => match value {
                    Ok(3) => continue,
                    Ok(5) => continue 'outer,
                    Ok(8) => break,
                    Ok(9) => break 'outer,
                    value => seen.push((round, value)),
                },
                default => unreachable!(),
            }
        }
        seen.push((-1, Err(RecvError)));
    }
    note!(notes: seen);
    // A value that either handler consumes.
    let text = String::from("text");
    let length = select! {
        recv(r) -> _ => { drop(text); 0 }
        default => { let mut text = text; text.push('!'); text.len() }
    };
    note!(notes: length);
    // Only the chosen value is made.
    let made = Cell::new(0);
    let make = |value: i32| {
        made.set(made.get() + 1);
        value
    };
    let (full, _keep) = bounded(0);
    select! {
        send(full, make(1)) -> _ => unreachable!(),
        send(s, make(2)) -> sent => note!(notes: sent),
    }
    note!(notes: made.get(), r.recv());
    // Nested in handlers and in values.
    let (other, others) = unbounded();
    select! {
        send(other, select! { recv(r) -> _ => unreachable!(), default => 7 }) -> sent => {
            select! {
                recv(others) -> value => select! {
                    send(s, value.unwrap() + 1) -> again => note!(notes: sent, again, value),
                },
            }
        }
    }
    note!(notes: r.recv());
    let (mut s, mut r) = (s, r);
    for number in 0..3 {
        let s_before = s.clone();
        select! {
            send(s, number) -> _ => (s, _) = bounded(1),
            recv(never::<i32>()) -> _ => {}
        }
        select! {
            recv(r) -> value => { note!(notes: value, s.same_channel(&s_before)); (s, r) = unbounded() }
            default => unreachable!(),
        }
    }
    let mut counts = HashMap::new();
    let key = || "key".to_owned();
    select! { default => *counts.entry(key()).or_insert(0) += 1 }
    note!(notes: counts);
}

struct Wrapped<T>(T);

impl<T> Deref for Wrapped<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

pub(crate) fn handles_may_be_anything_that_leads_to_one(notes: &mut Notes) {
    let (s, r) = bounded::<i32>(1);
    select! { send(&&&s, 1) -> sent => note!(notes: sent), recv(never::<i32>()) -> _ => {} }
    select! { recv(&&&&r) -> value => note!(notes: value), recv(&never::<i32>()) -> _ => {} }
    let (wrapped_s, wrapped_r) = (Wrapped(s.clone()), Wrapped(r.clone()));
    select! { send(wrapped_s, 2) -> sent => note!(notes: sent), default => {} }
    select! { recv(*wrapped_r) -> value => note!(notes: value), default => {} }
    let (boxed, shared) = (Box::new(s.clone()), Arc::new(r.clone()));
    select! { send(boxed, 3) -> sent => note!(notes: sent), recv(never::<u8>()) -> _ => {} }
    select! { recv(shared) -> value => note!(notes: value), recv(never::<u8>()) -> _ => {} }
    let ends = [(s.clone(), r.clone())];
    let map = HashMap::from([("s", &ends[0].0)]);
    select! { send(map["s"], 4) -> sent => note!(notes: sent), default => {} }
    select! { recv(ends[0].1) -> value => note!(notes: value), default => {} }
    struct Actor {
        inbox: Receiver<i32>,
        outbox: Option<Sender<i32>>,
    }
    impl Actor {
        fn inbox(&self) -> &Receiver<i32> {
            &self.inbox
        }
        fn step(&mut self) -> Option<i32> {
            select! {
                recv(self.inbox()) -> value => value.ok(),
                send(self.outbox.as_ref().unwrap(), 5) -> sent => sent.ok().map(|()| 0),
            }
        }
    }
    let mut actor = Actor {
        inbox: r,
        outbox: Some(s),
    };
    note!(notes: actor.step(), actor.inbox.recv());
    (actor.outbox, _) = (Some(bounded(0).0), ());
    note!(notes: actor.step());
    let make_never = never::<()>;
    let calls = Cell::new(0);
    let handle = |receiver: Receiver<i32>| {
        calls.set(calls.get() + 1);
        move || receiver
    };
    select! {
        recv(handle(never())()) -> _ => unreachable!(),
        recv(make_never()) -> _ => unreachable!(),
        default => note!(notes: calls.get()),
    }
}

pub(crate) fn a_biased_select_prefers_what_comes_first(notes: &mut Notes) {
    let ((s1, r1), (s2, r2)) = (unbounded(), bounded(1));
    (0..3).for_each(|number| s1.send(number).unwrap());
    for _ in 0..5 {
        select_biased! {
            recv(r1) -> value => note!(notes: value),
            send(s2, "two") -> sent => note!(notes: sent),
            recv(r2) -> value => note!(notes: value),
            default => note!(notes: "none"),
        }
    }
    for _ in 0..4 {
        select_biased! {
            recv(r2) -> value => note!(notes: value),
            recv(r1) -> value => note!(notes: value),
            default(MS) => note!(notes: "timeout"),
        }
    }
    s1.send(9).unwrap();
    note!(notes: select_biased! { recv(r1) -> value => value, });
    note!(notes: select_biased! { default => 1 });
}

pub(crate) fn many_cases_and_threads(notes: &mut Notes) {
    let channels: Vec<_> = (0..12).map(|_| bounded::<usize>(0)).collect();
    let (stop, stopped) = bounded::<()>(0);
    thread::scope(|scope| {
        let ends = &channels;
        for (number, (sender, _)) in ends.iter().enumerate() {
            scope.spawn(move || (0..20).for_each(|_| sender.send(number).unwrap()));
        }
        let adds = scope.spawn(move || {
            let mut sums = [0; 12];
            loop {
                let number = select! {
                    recv(ends[0].1) -> value => value,
                    recv(ends[1].1) -> value => value,
                    recv(ends[2].1) -> value => value,
                    recv(ends[3].1) -> value => value,
                    recv(ends[4].1) -> value => value,
                    recv(ends[5].1) -> value => value,
                    recv(ends[6].1) -> value => value,
                    recv(ends[7].1) -> value => value,
                    recv(ends[8].1) -> value => value,
                    recv(ends[9].1) -> value => value,
                    recv(ends[10].1) -> value => value,
                    recv(ends[11].1) -> value => value,
                    recv(stopped) -> _ => break sums,
                };
                sums[number.unwrap()] += 1;
                if sums == [20; 12] {
                    break sums;
                }
            }
        });
        note!(notes: adds.join().unwrap());
    });
    drop(stop);
    let (s, r) = bounded(0);
    thread::scope(|scope| {
        let meets = scope.spawn(|| select! { send(s, 1) -> sent => sent, recv(r) -> _ => Ok(()) });
        let other = select! { send(s, 1) -> sent => sent, recv(r) -> _ => Ok(()) };
        note!(notes: other, meets.join().unwrap(), r.is_empty());
    });
}
