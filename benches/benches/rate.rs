//! What does a question to a rate limiter cost, beside a look at the clock?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use criterion::{Criterion, criterion_group, criterion_main};
use gorge::patterns::rate::{Gcra, Limit, Limiter, RateLimiter};
use gorge::time;

fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rate");
    group.bench_function("clock", |bencher| bencher.iter(time::now));
    let [open, admits, refuses] = [
        Limiter::new(Limit::INF, 1),
        Limiter::new(1e9, 1 << 20),
        Limiter::new(Limit::per_hour(1.0), 1),
    ];
    group.bench_function("allow/no limit", |bencher| bencher.iter(|| open.allow()));
    group.bench_function("allow/admitted", |bencher| bencher.iter(|| admits.allow()));
    group.bench_function("allow/refused", |bencher| bencher.iter(|| refuses.allow()));
    group.bench_function("reserve", |bencher| {
        bencher.iter(|| admits.reserve().commit().map(drop));
    });
    let cells = Gcra::new(1e9, 1 << 20);
    group.bench_function("gcra", |bencher| {
        bencher.iter(|| cells.try_acquire(1).is_ok())
    });
    group.finish();
}

criterion_group!(benches, ask);
criterion_main!(benches);
