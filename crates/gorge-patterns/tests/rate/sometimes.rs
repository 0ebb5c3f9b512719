//! Some of many calls.

use super::STEP;
use super::common::everywhere;
use gorge_patterns::rate::Sometimes;
use gorge_runtime::{go, sim, time};
use std::sync::Arc;
use std::time::Duration;

fn runs(sometimes: &Sometimes, calls: usize) -> Vec<usize> {
    (0..calls)
        .filter_map(|call| sometimes.run(|| call))
        .collect()
}

#[test]
fn the_first_call_always_runs() {
    assert_eq!(runs(&Sometimes::new(), 10), [0]);
    assert_eq!(runs(&Sometimes::new().first(3), 10), [0, 1, 2]);
    assert_eq!(runs(&Sometimes::new().every(3), 10), [0, 3, 6, 9]);
    assert_eq!(runs(&Sometimes::new().first(2).every(4), 10), [0, 1, 4, 8]);
}

#[test]
fn an_interval_runs_when_it_has_passed() {
    sim::run(1, || {
        let sometimes = Sometimes::new().first(2).interval(STEP);
        let mut times = Vec::new();
        let start = time::now();
        for _ in 0..20 {
            sometimes.run(|| times.push((time::now() - start).as_millis()));
            time::sleep(STEP / 4);
        }
        assert_eq!(times, [0, 25, 125, 225, 325, 425]);
        assert_eq!(
            runs(&Sometimes::new().interval(Duration::ZERO), 3),
            [0, 1, 2]
        );
    });
}

#[test]
fn it_may_ask_itself() {
    let sometimes = Sometimes::new().every(1);
    assert_eq!(sometimes.run(|| sometimes.run(|| 7)), Some(Some(7)));
}

#[test]
fn of_many_at_once_the_right_number_run() {
    everywhere(|| {
        let sometimes = Arc::new(Sometimes::new().every(10));
        let all: Vec<_> = (0..100)
            .map(|_| {
                let sometimes = sometimes.clone();
                go(move || sometimes.run(|| ()).is_some())
            })
            .collect();
        let ran = all.into_iter().map(|it| it.join().expect("it asked"));
        assert_eq!(ran.filter(|&ran| ran).count(), 10);
    });
}
