//! Timers and tickers to the nanosecond, in virtual time, where every count is exact.
//! What holds of them in real time: `real_time`.

use crate::common::in_virtual_time;
use gorge_channel::{
    Receiver, RecvTimeoutError, Select, TryRecvError, after, at, never, select, tick,
};
use gorge_runtime::{goroutine, sim, time};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_timer_is_received_when_it_is_due_and_never_again() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = after(50 * MS);
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(timer.recv_timeout(20 * MS), Err(RecvTimeoutError::Timeout));
        assert_eq!(time::now(), start + 20 * MS);
        assert_eq!(timer.recv_timeout(70 * MS), Ok(start + 50 * MS));
        assert_eq!(time::now(), start + 50 * MS);
        assert_eq!(timer.recv_timeout(30 * MS), Err(RecvTimeoutError::Timeout));
        assert_eq!(time::now(), start + 80 * MS, "it waits the full time");
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));

        // Received late, it says when it was due.
        let timer = at(start + 100 * MS);
        time::sleep(70 * MS);
        assert_eq!((timer.len(), timer.recv()), (1, Ok(start + 100 * MS)));
        assert_eq!((timer.len(), time::now()), (0, start + 150 * MS));
        assert_eq!(at(start).recv(), Ok(start));
        assert_eq!(after(Duration::ZERO).try_recv(), Ok(time::now()));
    });
}

#[test]
fn a_select_ends_when_its_first_timer_is_due() {
    in_virtual_time(|| {
        for soon_first in [false, true] {
            let start = time::now();
            let (soon, late) = (after(3 * MS), after(4 * MS));
            let (first, second) = match soon_first {
                true => (&soon, &late),
                false => (&late, &soon),
            };
            let due = select! {
                recv(first) -> due => due,
                recv(second) -> due => due,
                recv(never()) -> due => due,
                default(5 * MS) => unreachable!("the timers come first"),
            };
            assert_eq!((due, time::now()), (Ok(start + 3 * MS), start + 3 * MS));
            select! { recv(soon) -> _ => unreachable!(), default => {} }
            assert_eq!(late.recv(), Ok(start + 4 * MS));
        }
    });
}

/// What parties receive in turn from channels that they share, until a moment.
fn share(parties: usize, channels: &[Receiver<Instant>], until: Instant) -> Vec<Instant> {
    let mut all = goroutine::scope(|scope| {
        let parties: Vec<_> = (0..parties)
            .map(|party| scope.spawn(move || receive_until(channels, until, party % 2 == 1)))
            .collect();
        let received = parties.into_iter().map(|party| party.join());
        received
            .flat_map(|it| it.expect("no panic"))
            .collect::<Vec<_>>()
    });
    all.sort_unstable();
    all
}

fn receive_until(channels: &[Receiver<Instant>], until: Instant, by_ready: bool) -> Vec<Instant> {
    let mut received = Vec::new();
    let mut select = Select::new();
    channels.iter().for_each(|channel| _ = select.recv(channel));
    loop {
        if by_ready {
            let Ok(index) = select.ready_deadline(until) else {
                return received;
            };
            received.extend(channels[index].try_recv().ok());
        } else {
            let Ok(operation) = select.select_deadline(until) else {
                return received;
            };
            let index = operation.index();
            received.push(
                operation
                    .recv(&channels[index])
                    .expect("timers have no end"),
            );
        }
    }
}

#[test]
fn a_crowd_receives_each_of_many_timers_once() {
    const COUNT: u32 = 200;
    in_virtual_time(|| {
        let start = time::now();
        let dues: Vec<_> = (0..COUNT).map(|number| start + number % 10 * MS).collect();
        let timers: Vec<_> = dues.iter().copied().map(at).collect();
        let mut expected = dues;
        expected.sort_unstable();
        assert_eq!(share(4, &timers, start + 11 * MS), expected);
        assert!(timers.iter().all(Receiver::is_empty));
    });
}

#[test]
fn a_crowd_receives_each_tick_of_two_tickers_once() {
    in_virtual_time(|| {
        let start = time::now();
        let tickers = [tick(200 * MS), tick(300 * MS)];
        let ticks = share(4, &tickers, start + 1100 * MS);
        let dues = [200, 300, 400, 600, 600, 800, 900, 1000].map(|due| start + due * MS);
        assert_eq!(ticks, dues);
    });
}

#[test]
fn two_parties_share_a_ticker_that_is_slower_than_another() {
    in_virtual_time(|| {
        let start = time::now();
        let tickers = [tick(50 * MS), tick(100 * MS)];
        let ticks = share(2, &tickers, start + 510 * MS);
        assert_eq!(ticks.len(), 10 + 5);
        let on_grid = |tick: &Instant| {
            (*tick - start)
                .as_nanos()
                .is_multiple_of((50 * MS).as_nanos())
        };
        assert!(ticks.iter().all(on_grid), "{ticks:?}");
    });
}

#[test]
fn ticks_come_on_the_grid_whoever_asks_when() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = tick(100 * MS);
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(ticker.recv_timeout(90 * MS), Err(RecvTimeoutError::Timeout));
        assert_eq!(ticker.recv_timeout(20 * MS), Ok(start + 100 * MS));
        assert_eq!(time::now(), start + 100 * MS);
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(ticker.recv(), Ok(start + 200 * MS));
        // Late: one is held, the others are left out, and the grid stays.
        time::sleep(450 * MS);
        assert_eq!((ticker.len(), ticker.capacity()), (1, Some(1)));
        assert_eq!(ticker.recv(), Ok(start + 300 * MS));
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(ticker.recv(), Ok(start + 700 * MS));
        assert_eq!(time::now(), start + 700 * MS);
        let iterated: Vec<_> = ticker.iter().take(3).collect();
        assert_eq!(iterated, [800, 900, 1000].map(|due| start + due * MS));
    });
}

#[test]
fn a_ticker_without_a_period_is_always_ready() {
    in_virtual_time(|| {
        let (ticker, slow) = (tick(Duration::ZERO), tick(100 * MS));
        for _ in 0..100 {
            select! {
                recv(ticker) -> due => assert!(due.is_ok()),
                recv(slow) -> _ => unreachable!("no time passes"),
                default => unreachable!("it is always ready"),
            }
        }
        assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn timers_that_are_due_share_the_choices() {
    const ROUNDS: usize = 1000;
    let hits: [AtomicUsize; 2] = Default::default();
    let places: [AtomicUsize; 5] = Default::default();
    sim::run(7, || {
        for _ in 0..ROUNDS {
            let (one, other) = (after(Duration::ZERO), after(Duration::ZERO));
            let hit = select! {
                recv(one) -> _ => 0,
                recv(other) -> _ => 1,
            };
            hits[hit].fetch_add(1, Ordering::Relaxed);
            let timer = after(Duration::ZERO);
            let mut select = Select::new();
            (0..5).for_each(|_| _ = select.recv(&timer));
            let operation = select.select();
            places[operation.index()].fetch_add(1, Ordering::Relaxed);
            assert!(operation.recv(&timer).is_ok());
        }
    });
    let hits = hits.map(AtomicUsize::into_inner);
    assert!(hits.iter().all(|hits| *hits >= ROUNDS / 4), "{hits:?}");
    let places = places.map(AtomicUsize::into_inner);
    assert!(places.iter().all(|hits| *hits >= ROUNDS / 10), "{places:?}");
}

#[test]
fn two_parties_receive_two_timers_each_once() {
    in_virtual_time(|| {
        let start = time::now();
        let timers = [after(MS), after(2 * MS)];
        let received = share(2, &timers, start + 10 * MS);
        assert_eq!(received, [start + MS, start + 2 * MS]);
    });
}
