//! Driving futures with `block_on`: wakes, cancels, panics, other executors.
#![allow(
    clippy::disallowed_methods,
    reason = "plain OS threads take part in these tests"
)]

mod common;
#[path = "common/gate.rs"]
mod gate;

use common::{Setting, in_each_setting, wait_for};
use futures_util::future::{self, poll_fn};
use gate::{Gate, is_waiting};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{block_on, go, goroutine, yield_now};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// Calls `body` on an OS thread, and on a goroutine in each setting.
fn on_each_party(body: impl Fn() + Send + Sync) {
    body();
    in_each_setting(|runtime| runtime.run(&body));
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_ready_future_is_polled_once() {
    on_each_party(|| {
        let mut polls = 0;
        let output = block_on(poll_fn(|_| {
            polls += 1;
            Poll::Ready("here")
        }));
        assert_eq!((output, polls), ("here", 1));
    });
}

#[test]
fn a_goroutine_wakes_a_pending_future() {
    on_each_party(|| {
        let gate = Gate::default();
        let opener = gate.clone();
        let goroutine = go(move || {
            wait_for(|| opener.waker().is_some());
            opener.open();
        });
        block_on(gate);
        goroutine.join().expect("it opened the gate");
    });
}

#[test]
fn a_thread_wakes_a_pending_future() {
    on_each_party(|| {
        let gate = Gate::default();
        let opener = gate.clone();
        let thread = thread::spawn(move || {
            wait_for(|| opener.waker().is_some());
            opener.open();
        });
        block_on(gate);
        thread.join().expect("it opened the gate");
    });
}

#[test]
fn a_waiting_goroutine_is_shown_in_block_on_and_polls_once_for_a_wake() {
    in_each_setting(|runtime| {
        let gate = Gate::default();
        let future = gate.clone();
        let handle = runtime.go(move || block_on(future));
        let id = handle.goroutine().id();
        for polls in 1..20 {
            wait_for(|| gate.polls() == polls && is_waiting(runtime, id, WaitReason::BlockOn));
            gate.waker().expect("it was polled").wake();
        }
        gate.open();
        handle.join().expect("the gate is open");
    });
}

#[test]
fn a_stale_waker_ends_neither_a_park_nor_a_later_call() {
    in_each_setting(|runtime| {
        let first = Gate::default();
        let second = Gate::default();
        let unparked = Arc::new(AtomicBool::new(false));
        let handle = runtime.go({
            let (first, second, unparked) = (first.clone(), second.clone(), unparked.clone());
            move || {
                block_on(first);
                goroutine::park();
                assert!(unparked.load(Ordering::SeqCst), "the park ended too early");
                block_on(second);
            }
        });
        let id = handle.goroutine().id();
        wait_for(|| first.waker().is_some());
        let stale = first.waker().expect("it was polled");
        let call_it = || {
            for _ in 0..100 {
                stale.wake_by_ref();
                yield_now();
            }
        };
        first.open();
        wait_for(|| is_waiting(runtime, id, WaitReason::Park));
        call_it();
        unparked.store(true, Ordering::SeqCst);
        handle.goroutine().unpark();
        wait_for(|| is_waiting(runtime, id, WaitReason::BlockOn));
        call_it();
        assert_eq!(second.polls(), 1);
        second.open();
        handle.join().expect("it went on");
        call_it();
    });
}

#[test]
fn a_waker_may_outlive_the_runtime() {
    for migrating in [false, true] {
        let runtime = Setting {
            migrating,
            procs: 2,
        }
        .runtime();
        let (opened, closed) = (Gate::default(), Gate::default());
        let futures = (opened.clone(), closed.clone());
        let finished = runtime.go(move || block_on(futures.0));
        let unwound = runtime.go(move || block_on(futures.1));
        wait_for(|| opened.waker().is_some() && closed.waker().is_some());
        opened.open();
        finished.join().expect("its gate is open");
        drop(runtime);
        assert!(unwound.join().expect_err("unwound").is_cancelled());
        for gate in [opened, closed] {
            let waker = gate.waker().expect("it was polled");
            drop(gate);
            waker.wake_by_ref();
            let elsewhere = thread::spawn(move || waker.wake());
            elsewhere.join().expect("nothing happens there");
        }
    }
}

#[test]
fn a_wake_during_the_poll_is_not_lost() {
    on_each_party(|| {
        let mut polls = 0;
        block_on(poll_fn(|context| {
            polls += 1;
            let waker = context.waker();
            match polls {
                1 => waker.wake_by_ref(),
                2 => {
                    let waker = waker.clone();
                    let elsewhere = thread::spawn(move || waker.wake());
                    elsewhere.join().expect("it woke");
                }
                _ => return Poll::Ready(()),
            }
            Poll::Pending
        }));
        assert_eq!(polls, 3);
    });
}

#[test]
fn a_future_that_wakes_itself_lets_the_others_run() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let setter = flag.clone();
            let other = go(move || {
                yield_now();
                setter.store(true, Ordering::SeqCst);
            });
            block_on(poll_fn(|context| {
                if flag.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            }));
            other.join().expect("it set the flag");
        });
    });
}

const ROUNDS: usize = 10_000;

fn serve(gates: &[Gate; 2]) {
    for _ in 0..ROUNDS {
        gates[1].open();
        block_on(gates[0].pass());
    }
}

fn give_back(gates: &[Gate; 2]) {
    for _ in 0..ROUNDS {
        block_on(gates[1].pass());
        gates[0].open();
    }
}

#[test]
fn ten_thousand_wakes_to_and_fro_lose_none() {
    in_each_setting(|runtime| {
        let gates = <[Gate; 2]>::default();
        let [for_goroutine, for_thread] = [gates.clone(), gates.clone()];
        let goroutine = runtime.go(move || give_back(&for_goroutine));
        runtime.run(|| serve(&gates));
        goroutine.join().expect("it played with a goroutine");

        let goroutine = runtime.go(move || give_back(&for_thread));
        serve(&gates);
        goroutine.join().expect("it played with a thread");
    });
}

#[test]
fn the_last_of_many_wakes_at_once_is_seen() {
    const EACH: usize = 1000;
    in_each_setting(|runtime| {
        let count = Arc::new(AtomicUsize::new(0));
        let gate = Gate::default();
        let counters = [(); 4].map(|()| {
            let (count, gate) = (count.clone(), gate.clone());
            runtime.go(move || {
                for _ in 0..EACH {
                    count.fetch_add(1, Ordering::SeqCst);
                    gate.waker().iter().for_each(Waker::wake_by_ref);
                    yield_now();
                }
            })
        });
        let mut gate = gate;
        block_on(poll_fn(|context| {
            // The gate keeps the waker; it is never opened.
            assert!(future::FutureExt::poll_unpin(&mut gate, context).is_pending());
            match count.load(Ordering::SeqCst) {
                count if count == 4 * EACH => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
        for counter in counters {
            counter.join().expect("it counted");
        }
    });
}

#[test]
fn calls_nest() {
    on_each_party(|| {
        let (outer, inner) = (Gate::default(), Gate::default());
        let gates = (outer.clone(), inner.clone());
        let opener = go(move || {
            // The outer wake comes while the inner call waits.
            wait_for(|| gates.1.waker().is_some());
            gates.0.open();
            gates.1.open();
        });
        let nested = poll_fn(|_| {
            block_on(inner.clone());
            Poll::Ready(())
        });
        block_on(future::join(outer, nested));
        opener.join().expect("it opened both");
    });
}

#[test]
fn an_unpark_is_neither_stolen_nor_produced() {
    in_each_setting(|runtime| {
        let gate = Gate::default();
        let unparked = Arc::new(AtomicBool::new(false));
        let handle = runtime.go({
            let (gate, unparked) = (gate.clone(), unparked.clone());
            move || {
                block_on(gate);
                // The unpark that came meanwhile is still there, once.
                goroutine::park();
                goroutine::park();
                assert!(unparked.load(Ordering::SeqCst), "a wake became an unpark");
            }
        });
        let id = handle.goroutine().id();
        wait_for(|| is_waiting(runtime, id, WaitReason::BlockOn));
        for _ in 0..10 {
            handle.goroutine().unpark();
            yield_now();
        }
        assert_eq!(gate.polls(), 1, "an unpark became a wake");
        gate.open();
        wait_for(|| is_waiting(runtime, id, WaitReason::Park));
        unparked.store(true, Ordering::SeqCst);
        handle.goroutine().unpark();
        handle.join().expect("it was unparked twice");
    });
}

#[test]
fn a_thread_keeps_its_unpark_through_a_call() {
    let gate = Gate::default();
    let caller = thread::current();
    let opener = gate.clone();
    let elsewhere = thread::spawn(move || {
        wait_for(|| opener.waker().is_some());
        caller.unpark();
        opener.open();
    });
    block_on(gate);
    thread::park();
    elsewhere.join().expect("it opened the gate");
}

#[test]
fn a_cancel_unwinds_a_waiting_call_and_drops_its_future() {
    in_each_setting(|runtime| {
        let gate = Gate::default();
        let drops = Arc::new(AtomicUsize::new(0));
        let (future, counted) = (gate.clone(), Counted(drops.clone()));
        let waiting = runtime.go(move || {
            block_on(async move {
                let _counted = counted;
                future.await;
            });
        });
        wait_for(|| is_waiting(runtime, waiting.goroutine().id(), WaitReason::BlockOn));
        waiting.cancel();
        assert!(waiting.join().expect_err("unwound").is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        gate.open();
    });
}

#[test]
fn a_cancel_unwinds_a_call_that_never_waits() {
    in_each_setting(|runtime| {
        let gate = Gate::default();
        let mut future = gate.clone();
        let spinning = runtime.go(move || {
            block_on(poll_fn(|context| {
                context.waker().wake_by_ref();
                future::FutureExt::poll_unpin(&mut future, context)
            }));
        });
        wait_for(|| gate.polls() > 10);
        spinning.cancel();
        assert!(spinning.join().expect_err("unwound").is_cancelled());
    });
}

#[test]
fn wakes_and_cancels_at_once_end_a_call_either_way() {
    in_each_setting(|runtime| {
        for _ in 0..300 {
            let gate = Gate::default();
            let drops = Arc::new(AtomicUsize::new(0));
            let (future, counted) = (gate.clone(), Counted(drops.clone()));
            let handle = runtime.go(move || {
                let _counted = counted;
                block_on(future);
            });
            let opener = runtime.go(move || gate.open());
            handle.cancel();
            opener.join().expect("it opened the gate");
            let ended = handle.join();
            assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()));
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn a_cancelled_goroutine_still_gets_what_is_ready() {
    in_each_setting(|runtime| {
        let steps = Arc::new(AtomicUsize::new(0));
        let theirs = steps.clone();
        let handle = runtime.go(move || {
            theirs.store(1, Ordering::SeqCst);
            while theirs.load(Ordering::SeqCst) == 1 {
                thread::yield_now();
            }
            block_on(async { 7 })
        });
        wait_for(|| steps.load(Ordering::SeqCst) == 1);
        handle.cancel();
        steps.store(2, Ordering::SeqCst);
        assert_eq!(handle.join().expect("no wait, no cancel"), 7);
    });
}

#[test]
fn a_panic_of_the_future_continues_in_the_caller() {
    on_each_party(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(drops.clone());
        let caught = catch_unwind(AssertUnwindSafe(|| -> Infallible {
            block_on(async move {
                let _counted = counted;
                let mut polled = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    let ready = std::mem::replace(&mut polled, true);
                    if ready {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                panic!("in its second poll")
            })
        }));
        let payload = caught.expect_err("it panicked");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"in its second poll"));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(block_on(async { 1 }), 1, "the caller goes on");
    });
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime of tokio's")
}

#[test]
fn a_oneshot_connects_a_goroutine_and_a_task_of_tokio() {
    in_each_setting(|runtime| {
        let (question, asked) = futures_channel::oneshot::channel();
        let (answer, answered) = futures_channel::oneshot::channel();
        let goroutine = runtime.go(move || {
            let number: u32 = block_on(asked).expect("a question");
            answer.send(number * 2).expect("tokio listens");
        });
        let answer = tokio_runtime().block_on(async {
            question.send(21).expect("the goroutine listens");
            answered.await
        });
        assert_eq!(answer, Ok(42));
        goroutine.join().expect("it answered");
    });
}

#[test]
fn a_timer_of_tokio_wakes_goroutines_that_enter_its_context_to_poll() {
    let tokio = tokio_runtime();
    let context = tokio.handle().clone();
    in_each_setting(|runtime| {
        let sleepers = [(); 3].map(|()| {
            let context = context.clone();
            runtime.go(move || {
                let mut sleep = {
                    let _entered = context.enter();
                    Box::pin(tokio::time::sleep(Duration::from_millis(1)))
                };
                block_on(poll_fn(|polled| {
                    let _entered = context.enter();
                    sleep.as_mut().poll(polled)
                }));
            })
        });
        // Tokio's clock runs while it blocks on something.
        tokio.block_on(async {
            for sleeper in sleepers {
                sleeper.await.expect("it slept");
            }
        });
    });
}
