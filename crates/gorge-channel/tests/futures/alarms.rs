//! Futures of the clock's channels: who calls the waker, and when nobody does any more.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "plain OS threads take part in these tests"
)]

use futures_util::FutureExt;
use gorge_channel::{Sender, after, tick, unbounded};
use gorge_runtime::goroutine::assert_no_leaks;
use gorge_runtime::{Runtime, block_on, blocking, go, goroutine, shield, sim, time};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

/// Says that it was called.
struct Says(Sender<()>);

impl Wake for Says {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs `f` on a runtime that shuts down while it runs, and may not be cancelled.
fn while_the_runtime_shuts_down(f: impl FnOnce(&AtomicBool) + Send + 'static) {
    let runtime = Runtime::new().unwrap();
    let [begins, ends] = [false; 2].map(|no| Arc::new(AtomicBool::new(no)));
    let (begun, ended) = (Arc::clone(&begins), Arc::clone(&ends));
    drop(runtime.go(move || {
        shield(|| f(&begun));
        ended.store(true, Ordering::SeqCst);
    }));
    while !begins.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    runtime.shutdown(LONG).expect("it comes to its end");
    assert!(ends.load(Ordering::SeqCst));
}

#[test]
fn a_channel_of_the_clock_is_awaited_to_its_end_by_who_must_not_be_cancelled() {
    while_the_runtime_shuts_down(|begun| {
        let soon = after(SHORT);
        let due = block_on(async {
            let mut receive = pin!(soon.recv_async());
            assert!((&mut receive).now_or_never().is_none());
            begun.store(true, Ordering::SeqCst);
            receive.await.unwrap()
        });
        assert!(time::now() >= due);
    });
}

#[test]
fn a_wait_that_begins_while_the_runtime_shuts_down_ends() {
    while_the_runtime_shuts_down(|begun| {
        let cancelled = Arc::new(AtomicBool::new(false));
        let other = SetOnDrop(Arc::clone(&cancelled));
        drop(go(move || {
            let _other = other;
            goroutine::park_forever();
        }));
        begun.store(true, Ordering::SeqCst);
        blocking(|| {
            while !cancelled.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            for due in [SHORT / 2, SHORT] {
                let soon = after(due);
                let due = block_on(soon.recv_async()).unwrap();
                assert!(time::now() >= due);
            }
        });
    });
}

/// Polls its future within the waker.
struct Inline(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let Some(mut future) = self.0.lock().unwrap().take() else {
            return;
        };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            *self.0.lock().unwrap() = Some(future);
        }
    }
}

#[test]
fn a_task_that_its_alarm_polls_may_wait_and_begin_the_next() {
    let (sender, receiver) = unbounded();
    let task = async move {
        for number in 0..3 {
            after(SHORT).recv_async().await.unwrap();
            time::sleep(Duration::from_millis(1));
            sender.send(number).unwrap();
        }
    };
    let inline = Arc::new(Inline(Mutex::new(Some(Box::pin(task)))));
    inline.wake();
    for number in 0..3 {
        assert_eq!(receiver.recv_timeout(LONG), Ok(number));
    }
}

#[test]
fn polls_with_the_same_waker_share_an_alarm() {
    let runtime = Runtime::new().unwrap();
    let created = || runtime.metrics().goroutines_created;
    runtime.run(|| {
        let before = created();
        let late = after(HOUR);
        let mut receive = pin!(late.recv_async());
        let wakers = [0, 1].map(|_| Waker::from(Arc::new(Says(unbounded().0))));
        for (number, waker) in wakers.iter().enumerate() {
            for _ in 0..100 {
                let polled = receive.as_mut().poll(&mut Context::from_waker(waker));
                assert!(polled.is_pending());
            }
            assert_eq!(created() - before, number as u64 + 1);
        }
    });
}

/// In a simulation, where no time passes unless all wait for it.
#[test]
fn the_alarm_calls_the_waker_of_the_last_poll() {
    sim::run(1, || {
        let (says, said): (Vec<_>, Vec<_>) = [0, 1].map(|_| unbounded()).into_iter().unzip();
        let late = after(HOUR);
        let mut receive = pin!(late.recv_async());
        for says in says {
            let waker = Waker::from(Arc::new(Says(says)));
            let polled = receive.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(said[1].recv(), Ok(()));
        assert!(receive.now_or_never().is_some());
        time::sleep(HOUR);
        assert!(said[0].try_recv().is_err(), "it was called off");
    });
}

#[test]
fn a_future_that_has_gone_leaves_no_goroutine() {
    assert_no_leaks(|| {
        assert_eq!(after(HOUR).recv_async().now_or_never(), None);
        let ticks = tick(HOUR);
        let mut receive = Box::pin(ticks.recv_async());
        for _ in 0..3 {
            assert!((&mut receive).now_or_never().is_none());
        }
    });
}

#[test]
fn an_alarm_keeps_no_runtime_from_its_shutdown() {
    let runtime = Runtime::new().unwrap();
    let late = runtime.run(|| {
        let late = after(HOUR);
        // Forgotten with its alarm: nobody will call that off.
        let mut receive = Box::pin(late.clone().into_stream());
        let polled = futures_util::StreamExt::next(&mut receive).now_or_never();
        assert!(polled.is_none());
        std::mem::forget(receive);
        late
    });
    runtime.shutdown(LONG).unwrap();
    assert!(late.try_recv().is_err());
}

#[test]
fn a_simulation_sets_the_clock_of_alarms() {
    sim::run(1, || {
        let start = time::now();
        let due = block_on(after(HOUR).recv_async()).unwrap();
        assert!(due >= start + HOUR);
    });
}
