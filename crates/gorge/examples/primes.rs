//! `primes [LIMIT] [WORKERS]`: the primes below a limit, found by one goroutine and then by
//! several, and how long each takes.
//!
//! ```text
//!   ranges ──► [ fan_out: the primes of a range ] × WORKERS ──► [ fan_in ] ──► count and sum
//! ```
//!
//! A value is a range of numbers and not a number, so that a goroutine has work for some
//! hundred microseconds before it needs the next one: handing it over costs far less.

use gorge::context;
use gorge::patterns::{fan_in, fan_out, generate};
use gorge::time;
use std::env;
use std::ops::Range;
use std::process::ExitCode;

/// How many numbers a goroutine gets at once.
const PER_ERRAND: u64 = 2000;

/// What is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    count: u64,
    /// Modulo 2^64, so that the two ways can be compared.
    sum: u64,
}

impl Found {
    fn and(self, other: Found) -> Found {
        Found {
            count: self.count + other.count,
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}

fn is_prime(n: u64) -> bool {
    let candidates = (3..).step_by(2).take_while(|d| d * d <= n);
    n == 2 || n > 2 && !n.is_multiple_of(2) && !candidates.into_iter().any(|d| n.is_multiple_of(d))
}

fn primes_of(range: Range<u64>) -> Found {
    range
        .filter(|&n| is_prime(n))
        .fold(Found::default(), |found, prime| {
            found.and(Found {
                count: 1,
                sum: prime,
            })
        })
}

/// The numbers below the limit, an errand at a time.
fn errands(limit: u64) -> impl Iterator<Item = Range<u64>> + Send {
    let starts = (0..limit).step_by(PER_ERRAND as usize);
    starts.map(move |start| start..limit.min(start.saturating_add(PER_ERRAND)))
}

fn sequentially(limit: u64) -> Found {
    errands(limit)
        .map(primes_of)
        .fold(Found::default(), Found::and)
}

fn by_workers(limit: u64, workers: usize) -> Found {
    let (ctx, _stop) = context::background().with_cancel();
    let ranges = generate(&ctx, errands(limit));
    let found = fan_in(&ctx, fan_out(&ctx, ranges, workers, primes_of));
    found.iter().fold(Found::default(), Found::and)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, default: u64| match arguments.get(place) {
        Some(text) => text.parse().ok().filter(|&number| number > 0),
        None => Some(default),
    };
    let processors = gorge::max_procs();
    let (Some(limit), Some(workers)) = (number(0, 2_000_000), number(1, processors as u64)) else {
        eprintln!("usage: primes [LIMIT] [WORKERS], both at least 1");
        return ExitCode::from(2);
    };
    gorge::run(move || {
        let start = time::now();
        let one = sequentially(limit);
        let middle = time::now();
        let many = by_workers(limit, workers as usize);
        let (sequential, parallel) = (middle - start, time::now() - middle);

        assert_eq!(one, many, "both ways find the same");
        println!(
            "below {limit} there are {} primes; their sum is {}",
            one.count, one.sum
        );
        println!("sequential: {sequential:.1?}");
        println!(
            "{workers} goroutines on {processors} processors: {parallel:.1?}, {:.2} times as fast",
            sequential.as_secs_f64() / parallel.as_secs_f64()
        );
    });
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_primes_are_known() {
        let primes: Vec<u64> = (0..30).filter(|&n| is_prime(n)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert_eq!(sequentially(100_000).count, 9592);
    }

    #[test]
    fn both_ways_find_the_same() {
        gorge::run(|| {
            for limit in [1, 2, 3, PER_ERRAND - 1, PER_ERRAND, PER_ERRAND + 1, 50_000] {
                for workers in [1, 2, 7] {
                    assert_eq!(by_workers(limit, workers), sequentially(limit), "{limit}");
                }
            }
        });
    }
}
