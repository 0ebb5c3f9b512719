//! Select: one of several operations is done, once, and nobody else is harmed.
#![allow(clippy::disallowed_methods, reason = "tests start threads")]
#![allow(
    clippy::diverging_sub_expression,
    reason = "values that are not to be made"
)]

use gorge_channel::{
    Receiver, RecvError, Select, SelectTimeoutError, SendError, TryReadyError, TrySelectError,
    TrySendError, after, at, bounded, never, select, select_biased, tick, unbounded,
};
use gorge_runtime::{Runtime, go, goroutine, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until the runtime's goroutine waits.
fn until_it_waits(runtime: &Runtime) {
    let waits = || {
        let dump = runtime.dump_states();
        let mut goroutines = dump.goroutines().iter();
        goroutines.any(|it| it.state.is_waiting())
    };
    while !waits() {
        yield_now();
    }
}

#[test]
fn a_ready_case_is_done_and_the_others_are_not() {
    let (s1, r1) = unbounded::<i32>();
    let (s2, r2) = bounded::<i32>(1);
    s1.send(1).unwrap();
    let mut seen = [0; 2];
    for _ in 0..100 {
        select! {
            recv(r1) -> value => {
                assert_eq!(value, Ok(1));
                s1.send(1).unwrap();
                seen[0] += 1;
            }
            send(s2, 2) -> sent => {
                assert_eq!(sent, Ok(()));
                assert_eq!(r2.recv(), Ok(2));
                seen[1] += 1;
            }
        }
        assert_eq!((r1.len(), r2.len()), (1, 0));
    }
    assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
}

#[test]
fn handlers_may_leave_and_values_are_made_when_chosen() {
    fn leaves(r: &Receiver<i32>) -> Option<i32> {
        loop {
            select! {
                recv(r) -> value => match value {
                    Ok(3) => break Some(3),
                    Ok(_) => continue,
                    Err(RecvError) => return None,
                },
                default => return None,
            }
        }
    }
    let (s, r) = unbounded();
    s.send_many(1..5).unwrap();
    assert_eq!(leaves(&r), Some(3));
    assert_eq!(leaves(&r), None);

    let (s, r) = bounded(1);
    s.send(0).unwrap();
    let (idle, nothing) = bounded::<i32>(1);
    select! {
        send(s, unreachable!()) -> _ => unreachable!(),
        recv(nothing) -> _ => unreachable!(),
        default => {}
    }
    drop(idle);
    assert_eq!(r.recv(), Ok(0));
}

#[test]
fn a_value_that_panics_gives_its_room_and_its_partner_back() {
    let (s, r) = bounded::<i32>(1);
    let (_idle, nothing) = bounded::<i32>(1);
    let panics = || {
        select! {
            send(s, panic!("no value")) -> _ => {},
            recv(nothing) -> _ => {},
        }
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    s.try_send(1).expect("the room is free");
    assert_eq!(r.recv(), Ok(1));

    let (s, r) = bounded::<i32>(0);
    thread::scope(|threads| {
        let receiver = threads.spawn(|| r.recv());
        let panics = || {
            select! {
                send(s, panic!("no value")) -> _ => {},
                recv(nothing) -> _ => {},
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        s.send(2).expect("the receiver waits again");
        assert_eq!(receiver.join().unwrap(), Ok(2));
    });
}

#[test]
fn an_operation_that_is_dropped_panics_and_keeps_nobody_waiting() {
    let (s, r) = bounded::<i32>(0);
    thread::scope(|threads| {
        let receiver = threads.spawn(|| r.recv());
        let mut select = Select::new();
        select.send(&s);
        let operation = select.select();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(operation))).is_err());
        s.send(1).unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
    });
}

#[test]
fn closed_channels_are_ready_with_an_error() {
    let (s, r) = bounded::<i32>(0);
    r.close();
    let (_other, nothing) = bounded::<i32>(0);
    select! {
        send(s, 1) -> sent => assert_eq!(sent, Err(SendError(1))),
        recv(nothing) -> _ => unreachable!(),
    }
    select! {
        recv(r) -> value => assert_eq!(value, Err(RecvError)),
        recv(nothing) -> _ => unreachable!(),
    }
    // While it waits.
    let runtime = Runtime::builder().max_procs(1).build().unwrap();
    let (s, r) = bounded::<i32>(0);
    let waits = runtime.go(move || {
        select! {
            recv(r) -> value => value,
            recv(nothing) -> value => value,
        }
    });
    until_it_waits(&runtime);
    drop(s);
    assert_eq!(waits.join().unwrap(), Err(RecvError));
}

#[test]
fn timeouts_defaults_and_timers() {
    let nothing = never::<i32>();
    let start = Instant::now();
    select! {
        recv(nothing) -> _ => unreachable!(),
        recv(never::<u8>()) -> _ => unreachable!(),
        default(Duration::from_millis(10)) => {}
    }
    assert!(start.elapsed() >= Duration::from_millis(10));
    let due = start + Duration::from_millis(15);
    select! {
        recv(nothing) -> _ => unreachable!(),
        recv(at(due)) -> value => assert_eq!(value, Ok(due)),
    }
    assert!(Instant::now() >= due);
    let ticks = tick(Duration::from_millis(2));
    for _ in 0..3 {
        select! {
            recv(ticks) -> value => assert!(value.is_ok()),
            recv(after(Duration::from_secs(60))) -> _ => unreachable!(),
        }
    }
    let mut select = Select::new();
    assert_eq!(select.try_select().unwrap_err(), TrySelectError);
    assert_eq!(select.try_ready(), Err(TryReadyError));
    select.recv(&nothing);
    let timeout = select.select_timeout(Duration::from_millis(1));
    assert_eq!(timeout.unwrap_err(), SelectTimeoutError);
    assert!(nothing.same_channel(&never()));
}

#[test]
fn the_first_ready_case_wins_where_that_is_asked_for() {
    let (s1, r1) = unbounded();
    let (s2, r2) = unbounded();
    s1.send_many(0..100).unwrap();
    s2.send_many(0..100).unwrap();
    for _ in 0..100 {
        select_biased! {
            recv(r1) -> value => assert!(value.is_ok()),
            recv(r2) -> _ => unreachable!(),
        }
    }
    assert!(r1.is_empty());
}

#[test]
fn ready_names_a_case_and_does_nothing() {
    let (s1, r1) = bounded::<i32>(0);
    let (s2, r2) = bounded::<i32>(1);
    let runtime = Runtime::builder().max_procs(1).build().unwrap();
    let (their_r1, their_r2) = (r1.clone(), r2.clone());
    let waits = runtime.go(move || {
        let mut select = Select::new();
        select.recv(&their_r1);
        let second = select.recv(&their_r2);
        assert_eq!(select.ready(), second);
    });
    until_it_waits(&runtime);
    s2.send(1).unwrap();
    waits.join().unwrap();
    assert_eq!(r2.try_recv(), Ok(1));
    let mut select = Select::new();
    let first = select.recv(&r1);
    select.recv(&r2);
    thread::scope(|threads| {
        let sender = threads.spawn(|| s1.send(2));
        assert_eq!(select.ready(), first);
        assert_eq!(r1.recv(), Ok(2));
        sender.join().unwrap().unwrap();
    });
    let mut select = Select::new();
    let send = select.send(&s2);
    assert_eq!(select.try_ready(), Ok(send));
    s2.send(1).unwrap();
    assert_eq!(select.try_ready(), Err(TryReadyError));
    assert_eq!(s2.try_send(2), Err(TrySendError::Full(2)));
}

/// Receives from both channels until they are closed, in one of three ways.
fn receive_all(
    way: usize,
    mut first: Receiver<usize>,
    mut second: Receiver<usize>,
    sum: &AtomicUsize,
) -> usize {
    let mut count = 0;
    loop {
        let value = match way {
            0 => select! {
                recv(first) -> value => match value {
                    Ok(value) => value,
                    Err(_) => {
                        first = never();
                        if first.same_channel(&second) { break; }
                        continue;
                    }
                },
                recv(second) -> value => match value {
                    Ok(value) => value,
                    Err(_) => {
                        second = never();
                        if first.same_channel(&second) { break; }
                        continue;
                    }
                },
            },
            1 => match first.recv() {
                Ok(value) => value,
                Err(_) => match second.recv() {
                    Ok(value) => value,
                    Err(_) => break,
                },
            },
            _ => match second.try_recv().or_else(|_| first.try_recv()) {
                Ok(value) => value,
                Err(_)
                    if first.is_closed()
                        && second.is_closed()
                        && first.is_empty()
                        && second.is_empty() =>
                {
                    break;
                }
                Err(_) => {
                    yield_now();
                    continue;
                }
            },
        };
        sum.fetch_add(value, Ordering::Relaxed);
        count += 1;
    }
    count
}

#[test]
fn both_sides_may_select() {
    for placement in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = match placement {
            // SAFETY: no thread-bound value lives across a park point.
            true => unsafe { builder.migrating() },
            false => builder,
        };
        let runtime = builder.build().unwrap();
        runtime.run(|| {
            for capacity in [0, 1, 3] {
                let (s1, r1) = bounded::<usize>(capacity);
                let (s2, r2) = bounded::<usize>(capacity);
                let sum = Arc::new(AtomicUsize::new(0));
                let senders = [0, 1, 2].map(|party| {
                    let (s1, s2) = (s1.clone(), s2.clone());
                    go(move || {
                        for i in 0..2000 {
                            let value = party * 2000 + i;
                            select! {
                                send(s1, value) -> sent => sent.unwrap(),
                                send(s2, value) -> sent => sent.unwrap(),
                            }
                        }
                    })
                });
                drop((s1, s2));
                let receivers = [0, 1, 2].map(|party| {
                    let (r1, r2, sum) = (r1.clone(), r2.clone(), sum.clone());
                    go(move || receive_all(party, r1, r2, &sum))
                });
                senders.into_iter().for_each(|it| it.join().unwrap());
                let counts = receivers.map(|it| it.join().unwrap());
                assert_eq!(counts.iter().sum::<usize>(), 6000, "{counts:?}");
                assert_eq!(sum.load(Ordering::Relaxed), 5999 * 6000 / 2);
            }
        });
    }
}

#[test]
fn a_cancel_ends_a_select_and_takes_nothing() {
    let runtime = Runtime::builder().max_procs(2).build().unwrap();
    runtime.run(|| {
        for _ in 0..500 {
            let (s1, r1) = bounded::<i32>(0);
            let (s2, r2) = bounded::<i32>(1);
            s2.send(0).unwrap();
            let (their_r1, their_s2) = (r1.clone(), s2.clone());
            let waits = go(move || {
                select! {
                    recv(their_r1) -> value => value.unwrap(),
                    send(their_s2, 1) -> _ => 0,
                }
            });
            yield_now();
            waits.cancel();
            let sent = s1.try_send(5);
            match waits.join() {
                Ok(value) => assert!(value == 5 && sent.is_ok()),
                Err(error) => assert!(error.is_cancelled() && sent.is_err()),
            }
            assert_eq!(r2.try_recv(), Ok(0));
            assert!(r2.is_empty());
        }
        goroutine::sleep(Duration::ZERO);
    });
}

#[test]
fn large_values_and_many_cases() {
    let channels: Vec<_> = (0..20).map(|_| bounded::<[usize; 40]>(0)).collect();
    thread::scope(|threads| {
        for (number, (sender, _)) in channels.iter().enumerate() {
            threads.spawn(move || sender.send([number; 40]).unwrap());
        }
        let mut seen = [false; 20];
        for _ in 0..20 {
            let mut select = Select::new();
            for (_, receiver) in &channels {
                select.recv(receiver);
            }
            let operation = select.select();
            let index = operation.index();
            let value = operation.recv(&channels[index].1).unwrap();
            assert_eq!(value, [index; 40]);
            assert!(!std::mem::replace(&mut seen[index], true));
        }
    });
}
