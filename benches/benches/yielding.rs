//! What does a yield cost, with four goroutines taking turns?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::in_each_setting;
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::{go, yield_now};

fn four_goroutines(criterion: &mut Criterion) {
    in_each_setting(&mut criterion.benchmark_group("yield"), |operations| {
        let each = operations.div_ceil(4);
        let handles = [(); 4].map(|()| go(move || (0..each).for_each(|_| yield_now())));
        handles
            .into_iter()
            .for_each(|handle| handle.join().expect("it ends"));
    });
}

criterion_group!(benches, four_goroutines);
criterion_main!(benches);
