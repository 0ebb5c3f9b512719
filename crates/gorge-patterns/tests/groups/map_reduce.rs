//! `map_reduce`: the same as one after the other, whatever the numbers; errors, panics, ends.

use crate::common::everywhere;
use crate::tools::{cancelled_at_any_point, text};
use gorge_channel::context::background;
use gorge_patterns::{Emitter, MapReduce, MapReduceError, map_reduce};
use gorge_runtime::catch_panic;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const TEXT: [&str; 5] = ["to be or", "not to be", "", "that is the", "question to be"];

fn words(line: &&str, emitter: &mut Emitter<'_, String, u64>) {
    line.split_whitespace()
        .for_each(|word| emitter.emit(word.to_owned(), 1));
}

fn expected() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in TEXT.iter().flat_map(|line| line.split_whitespace()) {
        *counts.entry(word.to_owned()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn it_counts_as_a_loop_does() {
    everywhere(|| {
        let count = map_reduce(&background(), &TEXT, words, |_, counts| {
            counts.into_iter().sum()
        });
        assert_eq!(count.unwrap(), expected());
        for (mappers, reducers) in [(1, 1), (1, 4), (4, 1), (3, 5), (9, 2)] {
            let add = |a, b| a + b;
            let lengths = AtomicUsize::new(0);
            let job = MapReduce::new()
                .mappers(mappers)
                .reducers(reducers)
                .combine(&add);
            let count = job.run(
                &background(),
                &TEXT,
                |line, emitter| {
                    words(line, emitter);
                    Ok::<_, String>(())
                },
                |_, counts| {
                    lengths.fetch_max(counts.len(), Relaxed);
                    Ok(counts.into_iter().sum())
                },
            );
            assert_eq!(count.unwrap(), expected());
            assert_eq!(lengths.load(Relaxed), 1, "all of a key are one");
        }
    });
}

#[test]
fn nothing_becomes_nothing() {
    everywhere(|| {
        let none: [&str; 0] = [];
        let count = map_reduce(&background(), &none, words, |_, counts| counts.len());
        assert!(count.unwrap().is_empty());
    });
}

#[test]
fn the_first_error_ends_it() {
    everywhere(|| {
        let asked = AtomicUsize::new(0);
        let splits = (0..1_000_000).inspect(|_| _ = asked.fetch_add(1, Relaxed));
        let result: Result<BTreeMap<u32, ()>, _> = MapReduce::new().mappers(2).run(
            &background(),
            splits,
            |number: u32, emitter| {
                emitter.emit(number, ());
                if number == 10 { Err("ten") } else { Ok(()) }
            },
            |_, _| Ok(()),
        );
        assert!(matches!(result, Err(MapReduceError::Failed("ten"))));
        assert!(
            asked.load(Relaxed) < 1_000_000,
            "the splits were not all asked for"
        );

        let result: Result<BTreeMap<u32, ()>, _> = MapReduce::new().run(
            &background(),
            0..10,
            |number: u32, emitter| {
                emitter.emit(number, ());
                Ok(())
            },
            |key, _| if *key == 3 { Err("three") } else { Ok(()) },
        );
        assert!(matches!(result, Err(MapReduceError::Failed("three"))));
    });
}

#[test]
fn panics_continue_in_the_caller() {
    everywhere(|| {
        let in_map = || {
            map_reduce(
                &background(),
                0..100,
                |number: u32, _: &mut Emitter<'_, u32, ()>| assert!(number < 50, "in map"),
                |_, _| (),
            )
        };
        let in_reduce = || {
            map_reduce(
                &background(),
                0..100,
                |number: u32, emitter: &mut Emitter<'_, u32, ()>| emitter.emit(number, ()),
                |_, _| panic!("in reduce"),
            )
        };
        let in_splits = || {
            map_reduce(
                &background(),
                (0..100).inspect(|number| assert!(*number < 50, "in splits")),
                |number: u32, emitter: &mut Emitter<'_, u32, ()>| emitter.emit(number, ()),
                |_, _| (),
            )
        };
        let payload = catch_panic(AssertUnwindSafe(in_map)).unwrap_err();
        assert_eq!(text(&*payload), "in map");
        let payload = catch_panic(AssertUnwindSafe(in_reduce)).unwrap_err();
        assert_eq!(text(&*payload), "in reduce");
        let payload = catch_panic(AssertUnwindSafe(in_splits)).unwrap_err();
        assert_eq!(text(&*payload), "in splits");
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let job = MapReduce::new().mappers(2).reducers(2);
        let result = job.run(
            ctx,
            0..4_u32,
            |number, emitter| {
                emitter.emit(number % 2, number);
                Ok::<_, String>(())
            },
            |_, numbers| Ok(numbers.into_iter().sum::<u32>()),
        );
        match result {
            Ok(sums) => assert!(sums.into_iter().eq([(0, 2), (1, 4)])),
            Err(error) => assert!(matches!(error, MapReduceError::Cancelled(_))),
        }
    });
}
