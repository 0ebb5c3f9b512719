//! Many streams into one, and one into many that get everything.

use super::common::{everywhere, sorted, wait_for, with_each_context};
use gorge_channel::context::background;
use gorge_channel::{Receiver, after, bounded, unbounded};
use gorge_patterns::*;
use gorge_runtime::{go, num_goroutines};
use std::time::Duration;

#[test]
fn merge_keeps_the_order_of_each_input() {
    with_each_context(|ctx| {
        let inputs = (0..8).map(|input| generate(ctx, std::iter::repeat(input).zip(0..100)));
        let mut next = [0; 8];
        for (input, number) in merge(ctx, inputs) {
            assert_eq!(number, next[input]);
            next[input] += 1;
        }
        assert_eq!(next, [100; 8]);
        assert!(merge::<u8>(ctx, []).recv().is_err());
    });
}

#[test]
fn merge_waits_for_the_input_that_has_something() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        let (senders, inputs): (Vec<_>, Vec<_>) = (0..20).map(|_| bounded(0)).unzip();
        let merged = merge(&ctx, inputs);
        assert!(num_goroutines() <= 2);
        for (number, sender) in senders.iter().enumerate().rev() {
            sender.send(number).expect("it receives");
            assert_eq!(merged.recv(), Ok(number));
        }
    });
}

#[test]
fn merge_sorted_prefers_earlier_inputs() {
    with_each_context(|ctx| {
        let inputs = ["first", "second"].map(|name| generate(ctx, [(1, name), (2, name)]));
        let merged = merge_sorted_by_key(ctx, inputs, |(key, _)| *key);
        let names: Vec<_> = merged.iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["first", "second", "first", "second"]);
        assert!(merge_sorted::<u8>(ctx, []).recv().is_err());
    });
}

#[test]
fn merge_sorted_waits_for_every_input() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        let (slow, input) = bounded(0);
        let merged = merge_sorted(&ctx, [generate(&ctx, [2, 3]), input]);
        super::common::settle();
        assert!(merged.try_recv().is_err_and(|error| error.is_empty()));
        slow.send(1).expect("it waits for that");
        assert_eq!(merged.recv(), Ok(1));
        drop(slow);
        assert!(merged.iter().eq([2, 3]));
    });
}

#[test]
fn a_tee_gives_everything_to_all() {
    with_each_context(|ctx| {
        for n in [1, 2, 5] {
            let outputs = tee_n(ctx, generate(ctx, 0..100), n);
            let consumers: Vec<_> = outputs
                .into_iter()
                .map(|output| go(move || assert!(output.iter().eq(0..100))))
                .collect();
            for consumer in consumers {
                consumer.join().expect("it gets all");
            }
        }
    });
}

#[test]
fn a_tee_serves_whoever_asks_first() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        let (left, right) = tee(&ctx, generate(&ctx, 0..10));
        for number in 0..10 {
            let (first, second) = match number % 2 {
                0 => (&left, &right),
                _ => (&right, &left),
            };
            assert_eq!(first.recv(), Ok(number));
            super::common::settle();
            // One value ahead at most.
            assert!(first.try_recv().is_err());
            assert_eq!(second.recv(), Ok(number));
        }
        assert!(left.recv().is_err() && right.recv().is_err());
    });
}

#[test]
fn a_tee_goes_on_without_those_who_go() {
    with_each_context(|ctx| {
        let mut outputs = tee_n(ctx, generate(ctx, 0..100), 3).into_iter();
        let early = outputs.next().expect("one of three");
        let all: Vec<_> = outputs.map(|it| go(move || it.iter().count())).collect();
        assert_eq!(early.recv(), Ok(0));
        drop(early);
        for consumer in all {
            assert_eq!(consumer.join().expect("it counts"), 100);
        }
        let (left, right) = tee(ctx, generate(ctx, 0..));
        drop((left, right));
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_tee_clones_no_more_than_it_must() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(Arc<AtomicUsize>);
    impl Clone for Counting {
        fn clone(&self) -> Counting {
            self.0.fetch_add(1, Ordering::Relaxed);
            Counting(Arc::clone(&self.0))
        }
    }

    with_each_context(|ctx| {
        let clones = Arc::new(AtomicUsize::new(0));
        let values = (0..10).map({
            let clones = Arc::clone(&clones);
            move |_| Counting(Arc::clone(&clones))
        });
        let outputs = tee_n(ctx, generate(ctx, values), 3);
        assert_eq!(fan_in(ctx, outputs).iter().count(), 30);
        assert_eq!(clones.load(Ordering::Relaxed), 20);
    });
}

#[test]
fn a_bridge_passes_one_stream_after_the_other() {
    with_each_context(|ctx| {
        let streams: Vec<_> = (0..5).map(|n| generate(ctx, n * 10..n * 10 + n)).collect();
        let expected = (0..5).flat_map(|n| n * 10..n * 10 + n);
        assert!(bridge(ctx, generate(ctx, streams)).iter().eq(expected));
        let none: [Receiver<u8>; 0] = [];
        assert!(bridge(ctx, generate(ctx, none)).recv().is_err());
    });
}

#[test]
fn or_done_ends_with_either() {
    everywhere(|| {
        let (ctx, guard) = super::common::cancellable();
        assert!(
            or_done(&ctx, generate(&background(), 0..10))
                .iter()
                .eq(0..10)
        );
        let (sender, input) = unbounded();
        sender.send(1).expect("it is open");
        let values = or_done(&ctx, input);
        assert_eq!(values.recv(), Ok(1));
        guard.cancel();
        assert!(values.recv().is_err());
    });
}

#[test]
fn or_ends_with_the_first_that_is_closed_or_has_a_value() {
    everywhere(|| {
        for place in 0..3 {
            for sends in [false, true] {
                let (mut senders, channels): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded(1)).unzip();
                let over = or(channels.clone());
                super::common::settle();
                assert!(over.try_recv().is_err_and(|error| error.is_empty()));
                let sender = senders.remove(place);
                if sends {
                    sender.send(7).expect("there is room");
                } else {
                    drop(sender);
                }
                assert!(over.recv().is_err());
                // The value is not taken.
                assert_eq!(channels[place].try_recv().ok(), sends.then_some(7));
            }
        }
    });
}

#[test]
fn or_of_none_never_ends_and_of_one_ends_with_that() {
    everywhere(|| {
        let none: [Receiver<()>; 0] = [];
        assert!(
            or(none)
                .recv_timeout(Duration::from_millis(1))
                .is_err_and(|it| it.is_timeout())
        );
        assert!(or([after(Duration::from_millis(1))]).recv().is_err());
    });
}

#[test]
fn or_nests() {
    everywhere(|| {
        let (stop, stopped) = bounded::<()>(0);
        let silent = || after(Duration::from_secs(3600));
        let (_keeps, kept) = bounded::<()>(0);
        let inner = or([kept, stopped]);
        let over = or([inner]);
        drop(stop);
        assert!(over.recv().is_err());
        drop(silent());
    });
}

#[test]
fn fan_in_of_many_is_complete() {
    with_each_context(|ctx| {
        let inputs = (0..50).map(|n| generate(ctx, n * 10..n * 10 + 10));
        assert!(sorted(fan_in(ctx, inputs)).into_iter().eq(0..500));
    });
}
