//! A histogram of durations, with Go's buckets: four per power of two, from
//! 512 ns to 4.5 minutes, and one at either end for what is beyond.
//!
//! One thread records, any thread reads.

use crate::primitive::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The lowest power of two, in nanoseconds, that has buckets of its own.
const LOWEST: u32 = 9;
/// The first power of two beyond the buckets.
const BEYOND: u32 = 38;
const PER_POWER: u32 = 4;
const BUCKETS: usize = ((BEYOND - LOWEST) * PER_POWER) as usize + 2;

/// Counts durations as they are recorded.
pub(crate) struct Histogram {
    counts: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Histogram {
    /// The one recording thread: counts a duration.
    pub(crate) fn record(&self, nanoseconds: u64) {
        let count = &self.counts[bucket(nanoseconds)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds what was counted so far.
    pub(crate) fn add_to(&self, sum: &mut DurationHistogram) {
        for (total, count) in sum.counts.iter_mut().zip(&*self.counts) {
            *total += count.load(Ordering::Relaxed);
        }
    }
}

/// Where a duration counts. Bucket 0 is below the lowest power, the last one
/// above the highest.
fn bucket(nanoseconds: u64) -> usize {
    let power = nanoseconds.checked_ilog2().unwrap_or(0);
    if power < LOWEST {
        0
    } else if power >= BEYOND {
        BUCKETS - 1
    } else {
        let quarter = (nanoseconds >> (power - 2)) as u32 - PER_POWER;
        1 + ((power - LOWEST) * PER_POWER + quarter) as usize
    }
}

/// The lowest duration that counts in a bucket.
fn lower_bound(bucket: usize) -> Duration {
    let Some(index) = bucket.checked_sub(1) else {
        return Duration::ZERO;
    };
    let (power, quarter) = (LOWEST + index as u32 / PER_POWER, index as u32 % PER_POWER);
    Duration::from_nanos(u64::from(PER_POWER + quarter) << (power - 2))
}

/// How often durations of which length occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationHistogram {
    counts: Vec<u64>,
}

impl Default for DurationHistogram {
    fn default() -> DurationHistogram {
        DurationHistogram {
            counts: vec![0; BUCKETS],
        }
    }
}

impl DurationHistogram {
    /// The buckets, shortest first: the lowest duration that counts in each, and
    /// how many did.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().enumerate();
        counts.map(|(bucket, &count)| (lower_bound(bucket), count))
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The lower bound of the bucket that holds this quantile, a number from 0
    /// to 1; zero when nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (self.count() as f64 * quantile.clamp(0.0, 1.0))
            .ceil()
            .max(1.0);
        let mut below = 0;
        for (bound, count) in self.buckets() {
            below += count;
            if below as f64 >= rank {
                return bound;
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_its_bucket() {
        for nanoseconds in (0..64)
            .map(|power| 1u64 << power)
            .flat_map(|n| [n - 1, n, n + n / 3])
        {
            let bucket = bucket(nanoseconds);
            assert!(lower_bound(bucket) <= Duration::from_nanos(nanoseconds));
            if bucket + 1 < BUCKETS {
                assert!(Duration::from_nanos(nanoseconds) < lower_bound(bucket + 1));
            }
        }
    }

    #[test]
    fn bounds_grow_by_a_quarter_power() {
        assert_eq!(lower_bound(1), Duration::from_nanos(512));
        assert_eq!(lower_bound(2), Duration::from_nanos(640));
        assert_eq!(lower_bound(5), Duration::from_nanos(1024));
        assert_eq!(lower_bound(BUCKETS - 1), Duration::from_nanos(1 << BEYOND));
    }

    #[test]
    fn quantiles_come_from_the_counts() {
        let histogram = Histogram::default();
        (0..99).for_each(|_| histogram.record(1_000));
        histogram.record(1_000_000);
        let mut sum = DurationHistogram::default();
        histogram.add_to(&mut sum);
        assert_eq!(sum.count(), 100);
        assert_eq!(sum.quantile(0.5), lower_bound(bucket(1_000)));
        assert_eq!(sum.quantile(1.0), lower_bound(bucket(1_000_000)));
        assert_eq!(DurationHistogram::default().quantile(0.5), Duration::ZERO);
    }
}
