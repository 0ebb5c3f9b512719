//! A limit and a burst as lengths of time.
//!
//! The arithmetic of a token bucket needs no tokens: each event costs an *interval*, and the
//! bucket holds a *span*, as many intervals as the burst has events. Lengths are whole numbers
//! of *units*, fractions of a nanosecond that are the finer the shorter an interval is, so
//! that an interval is exact where it is whole nanoseconds, and else rounded up by less than
//! a ten-millionth: never are more events admitted than the limit says.

use super::Limit;

/// Units are no finer than this, as a power of two in a nanosecond.
const FINEST: u32 = 16;
/// An interval has so many bits at least, if the finest units allow.
const PRECISION: u32 = 24;
/// Lengths of a pace that [`fits`](Pace::fits) are below this power of two.
pub(super) const FITTING: u32 = 45;
/// An interval that is longer might as well be for ever, nanoseconds.
const LONGEST: f64 = (1u128 << 70) as f64;
/// No length is longer, so that sums do not overflow.
const HORIZON: i128 = 1 << 120;

/// How fast events may be, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// A nanosecond is two to the power of this many units.
    pub(super) shift: u32,
    /// What an event costs.
    pub(super) interval: i128,
    /// What the burst costs.
    pub(super) span: i128,
}

impl Pace {
    /// For a limit that is neither zero nor infinite; for those, some pace.
    pub(super) fn new(limit: Limit, burst: usize) -> Pace {
        let nanos = limit.interval_nanos().clamp(0.0, LONGEST);
        let fine = Pace::in_units(nanos, burst, FINEST);
        if fine.interval >= 1 << PRECISION || fine.fits() {
            let enough = (fine.interval.max(1).ilog2()).saturating_sub(PRECISION);
            let short = (fine.span.max(1).ilog2() + 1).saturating_sub(FITTING);
            let shift = FINEST - enough.max(short).min(FINEST);
            let coarse = Pace::in_units(nanos, burst, shift);
            if coarse.fits() {
                return coarse;
            }
        }
        fine
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is clamped, and rounded up on purpose"
    )]
    #[allow(clippy::cast_precision_loss, reason = "powers of two")]
    fn in_units(nanos: f64, burst: usize, shift: u32) -> Pace {
        let units = nanos * (1u32 << shift) as f64;
        // What is whole but for the last bits of a quotient is meant to be whole.
        let nearest = units.round();
        let is_whole = (units - nearest).abs() <= units * f64::EPSILON;
        let interval = if is_whole { nearest } else { units.ceil() } as i128;
        let interval = interval.max(1);
        let span = interval.saturating_mul(burst as i128).min(HORIZON);
        Pace {
            shift,
            interval,
            span,
        }
    }

    /// Whether all lengths are short enough for the word of [`super::word`].
    pub(super) fn fits(&self) -> bool {
        self.interval < 1 << FITTING && self.span < 1 << FITTING
    }

    pub(super) fn cost(&self, n: usize) -> i128 {
        self.interval.saturating_mul(n as i128).min(HORIZON)
    }

    /// A time, in nanoseconds, in units.
    pub(super) fn units(&self, nanos: u64) -> i128 {
        i128::from(nanos) << self.shift
    }

    /// The first whole nanosecond that is not before a time; `None` if it is beyond what the
    /// clock can tell.
    pub(super) fn nanos(&self, units: i128) -> Option<u64> {
        let whole = units >> self.shift;
        let is_exact = whole << self.shift == units;
        u64::try_from((whole + i128::from(!is_exact)).max(0)).ok()
    }

    /// As many events as a length of `old` is, as a length of this one.
    #[allow(clippy::cast_possible_truncation, reason = "it is clamped")]
    #[allow(
        clippy::cast_precision_loss,
        reason = "of what is too long to be exact"
    )]
    pub(super) fn convert(&self, length: i128, old: &Pace) -> i128 {
        if self.shift == old.shift && self.interval == old.interval {
            return length;
        }
        let converted = match length.checked_mul(self.interval) {
            Some(product) => {
                product.div_euclid(old.interval) + i128::from(product.rem_euclid(old.interval) != 0)
            }
            None => (length as f64 * (self.interval as f64 / old.interval as f64)).ceil() as i128,
        };
        converted.clamp(-HORIZON, HORIZON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pace(limit: f64, burst: usize) -> Pace {
        Pace::new(Limit::per_second(limit), burst)
    }

    #[test]
    fn whole_intervals_are_exact() {
        for nanos in [1, 3, 7, 1_000, 999_999_937, 86_400_000_000_000] {
            let pace = Pace::new(Limit::every(Duration::from_nanos(nanos)), 3);
            assert_eq!(pace.interval, pace.units(nanos), "{nanos}");
            assert_eq!(pace.span, 3 * pace.interval);
        }
    }

    #[test]
    fn other_intervals_are_a_little_longer() {
        for limit in [3.0, 7.0, 0.123, 1e6 / 7.0, 3e8, 1e9 / 7.0] {
            let pace = pace(limit, 1);
            let units = 1e9 / limit * f64::from(1u32 << pace.shift);
            let excess = pace.interval as f64 / units - 1.0;
            assert!((-1e-15..1e-4).contains(&excess), "{limit}: {excess}");
        }
    }

    #[test]
    fn what_people_use_fits() {
        for (limit, burst) in [
            (1.0, 1000),
            (1e3, 1_000_000),
            (1e6, 1_000_000),
            (1e9, 1 << 20),
        ] {
            assert!(pace(limit, burst).fits(), "{limit} {burst}");
        }
        for (limit, burst) in [(1e-6, 1), (1.0, 1 << 40), (1.0, usize::MAX)] {
            assert!(!pace(limit, burst).fits(), "{limit} {burst}");
        }
    }

    #[test]
    fn extreme_limits_have_a_pace() {
        for limit in [f64::MIN_POSITIVE, 1e-300, 1e30, f64::MAX] {
            let pace = pace(limit, usize::MAX);
            assert!(pace.interval >= 1 && pace.span >= pace.interval);
            assert!(pace.cost(usize::MAX) <= HORIZON);
        }
    }

    #[test]
    fn lengths_are_converted_as_so_many_events() {
        let (slow, fast) = (pace(5.0, 2), pace(10.0, 2));
        assert_eq!(fast.convert(3 * slow.interval, &slow), 3 * fast.interval);
        assert_eq!(slow.convert(-fast.interval / 2, &fast), -slow.interval / 2);
        let long = i128::MAX / 2;
        assert_eq!(slow.convert(long, &fast), HORIZON);
    }
}
