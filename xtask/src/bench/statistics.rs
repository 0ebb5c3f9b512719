//! Medians and spreads of a few measurements.

/// The middle of some measurements, and the smallest and largest of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// That of `values`; nothing if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get((values.len() - 1) / 2)?;
        Some(Spread {
            low: *values.first()?,
            median: f64::midpoint(*lower, *upper),
            high: *values.last()?,
        })
    }

    /// That of `theirs` as a multiple of `ours`, pair by pair: above one, ours took less time.
    ///
    /// The two of a pair were measured one after the other, so what slows the machine down for a while
    /// slows both of them.
    pub(crate) fn of_ratios(theirs: &[f64], ours: &[f64]) -> Option<Spread> {
        Spread::of(theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_both_ends() {
        let spread = |values: &[f64]| {
            let spread = Spread::of(values.iter().copied()).unwrap();
            [spread.low, spread.median, spread.high]
        };
        assert_eq!(spread(&[3.0]), [3.0, 3.0, 3.0]);
        assert_eq!(spread(&[9.0, 1.0, 2.0]), [1.0, 2.0, 9.0]);
        assert_eq!(spread(&[9.0, 1.0, 4.0, 2.0]), [1.0, 3.0, 9.0]);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine was slow in the second round, for both.
        let spread = Spread::of_ratios(&[20.0, 80.0, 18.0], &[10.0, 40.0, 6.0]).unwrap();
        assert_eq!([spread.low, spread.median, spread.high], [2.0, 2.0, 3.0]);
        assert_eq!(Spread::of_ratios(&[], &[]), None);
    }
}
