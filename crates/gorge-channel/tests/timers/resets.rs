//! Timers and tickers that are stopped and set anew: no stale value, whoever waits. In
//! virtual time, where every instant is exact, and in every setting.

use crate::common::{LONG, Random, SHORT, everywhere, in_virtual_time};
use crate::polling::{Bell, poll, poll_with};
use gorge_channel::time::{self, Ticker, Timer, interval};
use gorge_channel::{RecvTimeoutError, TryRecvError, select, tick};
use gorge_runtime::{block_on, go, goroutine};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);

#[track_caller]
fn assert_silent(channel: &gorge_channel::Receiver<Instant>) {
    assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(channel.len(), 0);
}

// TestAfterStop, TestChan: after a stop nothing comes, and true is said once.
#[test]
fn a_timer_that_was_stopped_says_nothing() {
    in_virtual_time(|| {
        for waited in [Duration::ZERO, 49 * MS, 50 * MS, 90 * MS] {
            let timer = Timer::new(50 * MS);
            time::sleep(waited);
            assert!(timer.stop(), "it was not received after {waited:?}");
            assert_silent(&timer);
            assert!(!timer.stop());
            assert_eq!(timer.recv_timeout(100 * MS), Err(RecvTimeoutError::Timeout));
        }
    });
}

// TestChan: received, a stop or a reset says false; the value says when it was due.
#[test]
fn a_timer_that_was_received_is_over() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Timer::new(50 * MS);
        time::sleep(70 * MS);
        assert_eq!(timer.recv(), Ok(start + 50 * MS));
        assert!(!timer.stop());
        assert!(!timer.reset(10 * MS));
        assert_eq!(timer.recv(), Ok(start + 80 * MS));
        assert!(!timer.reset_at(start + 90 * MS));
        assert!(timer.reset_at(start), "the time has passed");
        assert_eq!(timer.try_recv(), Ok(start));
        assert_silent(&timer);
        assert_eq!(Timer::at(start).recv(), Ok(start));
    });
}

// TestReset, TestChan: with a reset the old value is gone.
#[test]
fn a_timer_that_is_set_anew_forgets_what_it_was_to_say() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Timer::new(20 * MS);
        time::sleep(10 * MS);
        assert!(timer.reset(30 * MS));
        time::sleep(10 * MS);
        assert_silent(&timer);
        time::sleep(20 * MS);
        assert_eq!(timer.len(), 1);
        assert!(timer.reset(5 * MS), "it was due and not received");
        assert_silent(&timer);
        assert_eq!(timer.recv(), Ok(start + 45 * MS));
        assert!(!timer.reset(MS));
        assert!(timer.stop());
        assert!(!timer.reset(Duration::ZERO));
        assert_eq!(timer.try_recv(), Ok(start + 45 * MS));
    });
}

// TestChan: who is blocked on the channel waits for the new time.
#[test]
fn whoever_waits_is_retimed() {
    in_virtual_time(|| {
        for (old, new) in [
            (50 * MS, 20 * MS),
            (20 * MS, 50 * MS),
            (Duration::MAX, 20 * MS),
        ] {
            let start = time::now();
            let timer = Timer::new(old);
            goroutine::scope(|scope| {
                let by_receive = scope.spawn(|| (timer.recv(), time::now()));
                time::sleep(10 * MS);
                timer.reset(new);
                let due = start + 10 * MS + new;
                assert_eq!(by_receive.join().expect("no panic"), (Ok(due), due));

                timer.reset(old);
                let begin = time::now();
                let by_select = scope.spawn(|| {
                    select! {
                        recv(timer) -> due => (due, time::now()),
                        default(LONG) => unreachable!("it comes before that"),
                    }
                });
                time::sleep(10 * MS);
                timer.reset(new);
                let due = begin + 10 * MS + new;
                assert_eq!(by_select.join().expect("no panic"), (Ok(due), due));
            });
        }
    });
}

#[test]
fn a_select_that_only_looks_and_a_future_are_retimed() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Timer::new(Duration::MAX);
        goroutine::scope(|scope| {
            let by_ready = scope.spawn(|| {
                let mut select = gorge_channel::Select::new();
                select.recv(&timer);
                (select.ready(), time::now())
            });
            time::sleep(10 * MS);
            timer.reset(20 * MS);
            assert_eq!(by_ready.join().expect("no panic"), (0, start + 30 * MS));
            assert!(timer.stop());

            let future = scope.spawn(|| (block_on(timer.recv_async()), time::now()));
            time::sleep(10 * MS);
            timer.reset(20 * MS);
            let due = start + 60 * MS;
            assert_eq!(future.join().expect("no panic"), (Ok(due), due));
        });
        let bell = Arc::new(Bell::default());
        let mut future = pin!(timer.recv_async());
        timer.reset(10 * MS);
        assert_eq!(poll_with(future.as_mut(), &bell), Poll::Pending);
        assert!(timer.stop());
        time::sleep(20 * MS);
        assert_eq!(poll(future.as_mut()), Poll::Pending);
        timer.reset(Duration::ZERO);
        assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(time::now())));
    });
}

// TestChan: blocked, and then stopped.
#[test]
fn whoever_waits_for_a_stopped_timer_waits_on() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Timer::new(50 * MS);
        goroutine::scope(|scope| {
            let waiter = scope.spawn(|| (timer.recv_timeout(90 * MS), time::now()));
            time::sleep(10 * MS);
            assert!(timer.stop());
            let waited = waiter.join().expect("no panic");
            assert_eq!(waited, (Err(RecvTimeoutError::Timeout), start + 90 * MS));
        });
    });
}

// TestChan: two who select, and one gets it.
#[test]
fn one_of_several_gets_the_value() {
    everywhere(|parties| {
        for _ in 0..20 {
            let timer = Timer::new(MS);
            let received = parties.scope(|scope| {
                let waiters = [0; 3].map(|_| {
                    let timer = &timer;
                    scope.spawn(move || timer.recv_timeout(SHORT).is_ok())
                });
                waiters.map(|waiter| usize::from(waiter.join()))
            });
            let is_received = received.iter().sum::<usize>() == 1;
            assert_ne!(is_received, timer.stop(), "it was received, or is there");
        }
    });
}

// TestStopResult, TestResetResult
#[test]
fn either_the_value_is_received_or_the_stop_says_true() {
    everywhere(|parties| {
        parties.scope(|scope| {
            for party in 0..4 {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let timers = [Timer::new(MS), Timer::new(MS)];
                        let other = select! {
                            recv(timers[0]) -> _ => &timers[1],
                            recv(timers[1]) -> _ => &timers[0],
                        };
                        let was_there = match party % 2 {
                            0 => other.stop(),
                            _ => other.reset(LONG),
                        };
                        assert!(was_there, "nobody has received it");
                        assert_silent(other);
                    }
                });
            }
        });
    });
}

#[test]
fn stops_race_with_receives_and_exactly_one_wins() {
    everywhere(|parties| {
        for round in 0..100 {
            let timer = Timer::new(Duration::from_micros(round));
            let (received, stopped) = parties.scope(|scope| {
                let receiver = scope.spawn(|| timer.recv_timeout(SHORT).is_ok());
                let stopper = scope.spawn(|| {
                    parties.pause();
                    timer.stop()
                });
                (receiver.join(), stopper.join())
            });
            assert_ne!(received, stopped);
        }
    });
}

// TestTimerModifiedEarlier, TestAdjustTimers
#[test]
fn timers_walk_through_random_scripts() {
    in_virtual_time(|| {
        let mut random = Random(gorge_runtime::primitive::random_below(1000) as u64 + 1);
        let timers: Vec<_> = (0..100).map(|_| Timer::new(3600 * 1000 * MS)).collect();
        // When each one comes, as it should.
        let mut due = vec![Some(time::now() + 3600 * 1000 * MS); timers.len()];
        for _ in 0..2000 {
            let number = random.below(timers.len());
            let (timer, due) = (&timers[number], &mut due[number]);
            match random.below(5) {
                0 => assert_eq!(timer.stop(), due.take().is_some()),
                1 => {
                    let soon = random.below(1000) as u32 * NS;
                    let was_set = due.replace(time::now() + soon).is_some();
                    assert_eq!(timer.reset(soon), was_set);
                }
                2 => {
                    assert_eq!(timer.reset(3600 * 1000 * MS), due.is_some());
                    *due = Some(time::now() + 3600 * 1000 * MS);
                }
                3 => time::sleep(random.below(300) as u32 * NS),
                _ => {
                    let expected = due.filter(|due| *due <= time::now());
                    assert_eq!(timer.try_recv().ok(), expected);
                    *due = due.filter(|_| expected.is_none());
                }
            }
        }
    });
}

// TestMultiWakeupTimer, and the race of a reset with a stop.
#[test]
fn many_set_and_read_one_timer() {
    everywhere(|parties| {
        let timer = Timer::new(NS);
        parties.scope(|scope| {
            for _ in 0..4 {
                let timer = &timer;
                scope.spawn(move || {
                    for round in 0..500_u32 {
                        _ = timer.try_recv();
                        match round % 3 {
                            0 => timer.stop(),
                            _ => timer.reset(round % 7 * NS),
                        };
                    }
                });
            }
        });
        timer.reset(NS);
        assert!(timer.recv_timeout(LONG).is_ok());
    });
}

// TestOverflowSleep, TestOverflowPeriodRuntimeTimer
#[test]
fn what_is_beyond_all_clocks_never_comes_and_disturbs_nobody() {
    in_virtual_time(|| {
        let start = time::now();
        let (endless, ticker) = (Timer::new(Duration::MAX), Ticker::new(Duration::MAX));
        let timer = Timer::new(25 * MS);
        select! {
            recv(endless) -> _ => unreachable!(),
            recv(ticker) -> _ => unreachable!(),
            recv(timer) -> due => assert_eq!(due, Ok(start + 25 * MS)),
        }
        ticker.reset(Duration::MAX);
        assert!(endless.reset(Duration::MAX));
        assert!(endless.stop());
        assert_silent(&ticker);
    });
}

// TestTicker
#[test]
fn a_ticker_ticks_and_is_reset_and_stopped() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = interval(20 * MS);
        for round in 1..=5 {
            assert_eq!(ticker.recv(), Ok(start + round * 20 * MS));
        }
        ticker.reset(40 * MS);
        for round in 1..=5 {
            assert_eq!(ticker.recv(), Ok(start + (100 + round * 40) * MS));
        }
        assert_eq!(time::now(), start + 300 * MS);
        ticker.stop();
        assert_eq!(ticker.recv_timeout(80 * MS), Err(RecvTimeoutError::Timeout));
        ticker.stop();
        ticker.reset(10 * MS);
        assert_eq!(ticker.recv(), Ok(start + 390 * MS));
    });
}

// TestChan for tickers
#[test]
fn a_tick_that_is_due_is_gone_after_a_stop_or_a_reset() {
    in_virtual_time(|| {
        let start = time::now();
        let ticker = Ticker::new(10 * MS);
        time::sleep(35 * MS);
        assert_eq!(ticker.len(), 1);
        ticker.stop();
        assert_silent(&ticker);
        ticker.reset(10 * MS);
        time::sleep(15 * MS);
        ticker.reset(20 * MS);
        assert_silent(&ticker);
        assert_eq!(ticker.recv(), Ok(start + 70 * MS));
        time::sleep(50 * MS);
        let missed = [ticker.recv(), ticker.recv()];
        assert_eq!(missed, [Ok(start + 90 * MS), Ok(start + 130 * MS)]);
    });
}

// NewTickerLtZero, ResetLtZero
#[test]
fn a_ticker_without_a_period_is_refused() {
    let panic_of = |f: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let made = panic_of(&|| drop(Ticker::new(Duration::ZERO)));
    assert!(
        made.starts_with("Ticker::new with a period of zero"),
        "{made}"
    );
    let ticker = Ticker::new(LONG);
    let reset = panic_of(&|| ticker.reset(Duration::ZERO));
    assert!(
        reset.starts_with("Ticker::reset with a period of zero"),
        "{reset}"
    );
    assert_silent(&ticker);
}

// TestTickerStress, TestTickerConcurrentStress, TestMultiWakeupTicker
#[test]
fn many_read_one_fast_ticker() {
    everywhere(|parties| {
        let ticker = Ticker::new(Duration::from_micros(1));
        parties.scope(|scope| {
            for _ in 0..4 {
                let ticker = &ticker;
                scope.spawn(move || {
                    for _ in 0..50 {
                        assert!(ticker.recv_timeout(LONG).is_ok());
                    }
                });
            }
        });
    });
}

// TestTimerGC, TestTeardown: nothing is left of what is dropped, stopped or not.
#[test]
fn timers_may_be_dropped_in_any_state() {
    in_virtual_time(|| {
        let clones: Vec<_> = (0..100)
            .map(|round| {
                let (timer, ticker) = (Timer::new(LONG), Ticker::new(LONG));
                if round % 2 == 0 {
                    timer.stop();
                    ticker.stop();
                }
                (timer.channel().clone(), ticker.channel().clone())
            })
            .collect();
        let start = time::now();
        for (round, (timer, _)) in clones.iter().enumerate().skip(1).step_by(2).take(3) {
            assert_eq!(timer.recv(), Ok(start + LONG), "round {round}");
        }
    });
}

// TestZeroTimer, TestSleepZeroDeadlock
#[test]
fn timers_of_no_duration_are_due_at_once() {
    everywhere(|_| {
        let again = Timer::new(Duration::ZERO);
        for _ in 0..1000 {
            assert!(Timer::new(Duration::ZERO).try_recv().is_ok());
            assert!(again.recv().is_ok());
            again.reset(Duration::ZERO);
            time::sleep(Duration::ZERO);
        }
    });
}

// TestLongAdjustTimers: a timer that is abandoned costs its share, and no more.
#[test]
fn a_receive_may_be_guarded_by_a_fresh_timer_each_time() {
    everywhere(|parties| {
        let (sender, receiver) = gorge_channel::unbounded();
        parties.scope(|scope| {
            scope.spawn(|| (0..5000).for_each(|i| sender.send(i).expect("it is received")));
            for i in 0..5000 {
                select! {
                    recv(receiver) -> value => assert_eq!(value, Ok(i)),
                    recv(gorge_channel::after(LONG)) -> _ => panic!("it took a minute"),
                }
            }
        });
    });
}

// Synctest: two timers that are due at the same instant come in either order.
#[test]
fn sleepers_of_one_instant_wake_in_any_order() {
    let orders = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let first = AtomicUsize::new(0);
    in_virtual_time(|| {
        for _ in 0..10 {
            first.store(0, Ordering::SeqCst);
            goroutine::scope(|scope| {
                for number in 1..=2 {
                    let first = &first;
                    scope.spawn(move || {
                        let timer = Timer::new(MS);
                        timer.recv().expect("it comes");
                        let order = Ordering::SeqCst;
                        _ = first.compare_exchange(0, number, order, order);
                    });
                }
            });
            orders[first.load(Ordering::SeqCst) - 1].fetch_add(1, Ordering::SeqCst);
        }
    });
    let orders = orders.map(AtomicUsize::into_inner);
    assert!(orders.iter().all(|count| *count > 0), "{orders:?}");
}

// TestAfterTimes, TestTickTimes
#[test]
fn a_value_says_when_it_was_due_however_late_it_is_read() {
    everywhere(|_| {
        let start = time::now();
        let (timer, ticker) = (Timer::new(MS), tick(MS));
        time::sleep(4 * MS);
        let due = [timer.recv(), ticker.recv()].map(|due| due.expect("it is there"));
        assert!(due.iter().all(|due| *due - start < 4 * MS), "{due:?}");
    });
}

#[test]
fn a_goroutine_may_wait_for_a_timer_of_another() {
    in_virtual_time(|| {
        let start = time::now();
        let timer = Arc::new(Timer::new(LONG));
        let waiter = go({
            let timer = timer.clone();
            move || timer.recv().map(|due| due - start)
        });
        time::sleep(MS);
        timer.reset(MS);
        assert_eq!(waiter.join().expect("no panic"), Ok(2 * MS));
    });
}
