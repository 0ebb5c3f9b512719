//! `after`, `at`, `tick` and `never`, alone and in selects.
#![allow(
    clippy::disallowed_methods,
    reason = "timers are compared with the clock"
)]

use crate::common::{LONG, Random, everywhere};
use gorge_channel::time::Timer;
use gorge_channel::{
    Receiver, RecvTimeoutError, Select, TryRecvError, after, at, bounded, never, select, tick,
    unbounded,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_timer_fires_once_and_says_when_it_was_due() {
    everywhere(|parties| {
        let start = Instant::now();
        let timer = after(5 * MS);
        assert_eq!((timer.capacity(), timer.len()), (Some(1), 0));
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(
            timer.recv_timeout(Duration::ZERO),
            Err(RecvTimeoutError::Timeout)
        );
        parties.until(|| timer.len() == 1);
        assert!(timer.is_full());
        let due = timer.recv().unwrap();
        assert!(start + 5 * MS <= due && due <= Instant::now());
        assert!(timer.is_empty() && !timer.is_full());
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        let again = Instant::now();
        assert_eq!(timer.recv_timeout(2 * MS), Err(RecvTimeoutError::Timeout));
        assert!(again.elapsed() >= 2 * MS, "it waits the full time");
        select! {
            recv(timer) -> _ => unreachable!("it has fired"),
            recv(after(MS)) -> _ => {}
        }
    });
}

#[test]
fn the_timer_that_is_due_first_wins_wherever_it_stands() {
    everywhere(|_| {
        let (soon, late) = (after(2 * MS), after(LONG));
        select! { recv(late) -> _ => unreachable!(), recv(soon) -> due => assert!(due.is_ok()) }
        let soon = after(2 * MS);
        select! { recv(soon) -> due => assert!(due.is_ok()), recv(late) -> _ => unreachable!() }
        select! { recv(after(Duration::ZERO)) -> due => assert!(due.is_ok()), default => unreachable!() }
        select! { recv(tick(Duration::ZERO)) -> due => assert!(due.is_ok()), default => unreachable!() }
        select! { recv(late) -> _ => unreachable!(), recv(tick(LONG)) -> _ => unreachable!(), default => {} }
    });
}

#[test]
fn timers_of_one_instant_and_a_deadline_at_it_lose_nothing() {
    everywhere(|_| {
        for _ in 0..20 {
            let due = Instant::now() + MS;
            let (first, second) = (at(due), at(due));
            let mut select = Select::new();
            select.recv(&first);
            select.recv(&second);
            for _ in 0..2 {
                let operation = select.select_deadline(due).expect("the timers come first");
                let of = if operation.index() == 0 {
                    &first
                } else {
                    &second
                };
                assert_eq!(operation.recv(of), Ok(due));
            }
            assert!(select.select_deadline(due).is_err());
        }
    });
}

#[test]
fn many_timers_are_shared_and_each_is_received_once() {
    everywhere(|parties| {
        const COUNT: usize = 40;
        let timers: Vec<_> = (0..COUNT as u32).map(|i| after(MS * (i % 4) / 2)).collect();
        let hits = AtomicUsize::new(0);
        parties.scope(|scope| {
            for by_ready in [false, true, false] {
                let (timers, hits) = (&timers, &hits);
                scope.spawn(move || {
                    let mut select = Select::new();
                    for timer in timers {
                        select.recv(timer);
                    }
                    while hits.load(Ordering::SeqCst) < COUNT {
                        let hit = if by_ready {
                            select
                                .ready_timeout(MS)
                                .is_ok_and(|index| timers[index].try_recv().is_ok())
                        } else {
                            select.select_timeout(MS).is_ok_and(|operation| {
                                let index = operation.index();
                                operation.recv(&timers[index]).is_ok()
                            })
                        };
                        hits.fetch_add(usize::from(hit), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(hits.into_inner(), COUNT);
        assert!(timers.iter().all(Receiver::is_empty));
    });
}

#[test]
fn a_ticker_keeps_its_phase_and_leaves_out_what_nobody_took() {
    let start = Instant::now();
    let period = 4 * MS;
    let ticker = tick(period);
    let first = ticker.recv().unwrap();
    assert!(first >= start + period);
    let pause = Instant::now();
    while pause.elapsed() < 3 * period {
        std::thread::yield_now();
    }
    assert_eq!(ticker.len(), 1, "one is held");
    let held = ticker.recv().unwrap();
    assert!(held < pause + period, "the oldest one");
    let next = ticker.recv().unwrap();
    assert!(next > pause + 2 * period, "those in between are left out");
    for due in [held, next] {
        assert_eq!((due - first).as_nanos() % period.as_nanos(), 0);
    }
}

#[test]
fn tickers_are_shared_and_no_tick_comes_twice() {
    everywhere(|parties| {
        let ticker = tick(MS);
        let all = parties.scope(|scope| {
            let parties = [0; 3].map(|_| {
                scope.spawn(|| {
                    (0..5)
                        .map(|_| select! { recv(ticker) -> due => due.unwrap() })
                        .collect::<Vec<_>>()
                })
            });
            let mut all: Vec<_> = parties.into_iter().flat_map(|party| party.join()).collect();
            all.sort_unstable();
            all
        });
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
    });
}

#[test]
fn a_case_is_switched_off_by_never() {
    everywhere(|_| {
        let mut ticks = tick(MS / 4);
        let mut steps = 0;
        loop {
            select! {
                recv(ticks) -> due => {
                    assert!(due.is_ok());
                    steps += 1;
                    if steps == 10 {
                        ticks = never();
                    }
                }
                default(20 * MS) => if steps == 10 { break },
            }
        }
        assert_eq!(steps, 10);
    });
}

#[test]
fn nothing_comes_from_never() {
    let nothing = never::<i32>();
    assert_eq!((nothing.capacity(), nothing.len()), (Some(0), 0));
    assert!(nothing.is_empty() && nothing.is_full() && !nothing.is_closed());
    assert_eq!(nothing.try_recv(), Err(TryRecvError::Empty));
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(nothing.recv_timeout(2 * MS), Err(RecvTimeoutError::Timeout));
        assert!(start.elapsed() >= 2 * MS);
    }
    select! { recv(nothing) -> _ => unreachable!(), recv(never::<u8>()) -> _ => unreachable!(), default => {} }
    assert!(!nothing.close() && !nothing.is_closed());
    assert_eq!(nothing.recv_many(&mut Vec::new(), 0), 0);
    assert_eq!(nothing.try_iter().next(), None);
}

#[test]
fn clones_are_the_same_channel_and_others_are_not() {
    let due = Instant::now() + LONG;
    let makers: [fn(Instant) -> Receiver<Instant>; 5] = [
        |_| after(LONG),
        at,
        |_| tick(LONG),
        |_| bounded(0).1,
        |_| unbounded().1,
    ];
    for (number, make) in makers.iter().enumerate() {
        let channel = make(due);
        assert!(channel.same_channel(&channel.clone()));
        for other in &makers[number..] {
            assert!(!channel.same_channel(&other(due)));
        }
        assert!(!channel.same_channel(&never()));
    }
    assert!(never::<i32>().same_channel(&never()));
}

#[test]
fn timers_are_not_for_receivers_to_close() {
    let timer = after(Duration::ZERO);
    timer.clone().close();
    assert!(!timer.is_closed());
    assert!(timer.recv().is_ok());
}

/// A select looks when its timers are due before it waits for them, one by one.
#[test]
fn a_timer_that_is_set_anew_while_a_select_begins_to_wait_is_heard_of() {
    const ROUNDS: usize = 4000;
    everywhere(|parties| {
        let quiet = never::<Instant>();
        let timer = Timer::new(LONG);
        let round = AtomicUsize::new(0);
        parties.scope(|scope| {
            scope.spawn(|| {
                let mut random = Random(7);
                for now in 1..=ROUNDS {
                    parties.until(|| round.load(Ordering::SeqCst) == now);
                    for _ in 0..random.below(200) {
                        std::hint::spin_loop();
                    }
                    // Not at once: what has come is found in any case.
                    timer.reset(Duration::from_micros(30));
                }
            });
            for now in 1..=ROUNDS {
                timer.reset(LONG);
                let mut select = Select::new();
                for _ in 0..8 {
                    select.recv(&quiet);
                }
                select.recv(&timer);
                round.store(now, Ordering::SeqCst);
                let chosen = select
                    .select_timeout(LONG / 4)
                    .expect("the timer comes soon");
                chosen.recv(&timer).expect("its time");
            }
        });
    });
}
