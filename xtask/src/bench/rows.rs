//! Rows: what a program is asked for, how often, and which figures come of it.
//!
//! What a row's name means, the programs know.

/// One of the figures that come of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// What the program puts behind the row's name, with a dot; nothing for the time that it took.
    pub(crate) name: &'static str,
    /// What the figure is called in a report; nothing if it is the row's only time.
    pub(crate) label: &'static str,
    /// Whether the figure is a sum, to be divided by the count.
    pub(crate) is_sum: bool,
}

/// The time that it took, divided by the count.
pub(crate) const TIME: Part = Part {
    name: "",
    label: "",
    is_sum: true,
};

/// How often a row is done at scale one, and what that may be rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// So often, in multiples of a step.
    Times(u64, u64),
    /// A number of leaves that is a power of ten.
    Leaves(u64),
    /// So many calls of naive Fibonacci; what the program is told is the number whose value is wanted.
    Calls(u64),
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) count: Count,
    /// The figures, the one that matters most first.
    pub(crate) parts: &'static [Part],
    /// Peers that do it less often, because more is beyond them.
    pub(crate) fewer: &'static [(&'static str, u64)],
}

impl Row {
    /// A row of which the time matters alone, done so often, in multiples of `step`.
    pub(crate) fn times(name: impl Into<String>, count: u64, step: u64) -> Row {
        Row::of(name, Count::Times(count, step), &[TIME])
    }

    pub(crate) fn of(name: impl Into<String>, count: Count, parts: &'static [Part]) -> Row {
        Row {
            name: name.into(),
            count,
            parts,
            fewer: &[],
        }
    }

    /// What the program of `peer` is told to do at `scale`.
    pub(crate) fn argument(&self, peer: &str, scale: f64) -> u64 {
        let argument = self.count.argument(scale);
        let limits = self.fewer.iter().filter(|(name, _)| *name == peer);
        limits.fold(argument, |argument, (_, limit)| argument.min(*limit))
    }

    /// The size at the end of its name, such as 1000 in `pairs_1000`, and what stands before it.
    pub(crate) fn size(&self) -> Option<(&str, u64)> {
        let (name, size) = self.name.rsplit_once('_')?;
        Some((name, size.parse().ok()?))
    }
}

impl Count {
    /// What a program is told at `scale`.
    pub(crate) fn argument(self, scale: f64) -> u64 {
        match self {
            Count::Times(count, step) => {
                let steps = (count as f64 * scale / step as f64).round() as u64;
                steps.max(1) * step
            }
            Count::Leaves(count) => {
                let digits = (count as f64 * scale).log10().round().max(1.0);
                10_u64.pow(digits as u32)
            }
            Count::Calls(count) => {
                let wanted = (count as f64 * scale) as u64;
                let fits = |n: &u64| Count::Calls(count).operations(*n) <= wanted;
                (2..).take_while(fits).last().unwrap_or(2)
            }
        }
    }

    /// How many operations that is, when a program is told `argument`.
    pub(crate) fn operations(self, argument: u64) -> u64 {
        match self {
            Count::Times(..) | Count::Leaves(_) => argument,
            // Those of the two smaller numbers, and one.
            Count::Calls(_) => (0..argument).fold((1, 1), |(a, b), _| (b, a + b + 1)).0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_scaled_to_what_can_be_shared_evenly() {
        let times = Count::Times(2_000_000, 4);
        assert_eq!(times.argument(1.0), 2_000_000);
        assert_eq!(times.argument(0.000_013), 28);
        assert_eq!(times.argument(1e-9), 4);
        let leaves = Count::Leaves(1_000_000);
        assert_eq!(
            [1.0, 0.01, 0.02, 1e-9].map(|scale| leaves.argument(scale)),
            [1_000_000, 10_000, 10_000, 10]
        );
    }

    #[test]
    fn fibonacci_is_told_a_number_and_counts_calls() {
        let calls = Count::Calls(242_785);
        assert_eq!(calls.operations(2), 3);
        assert_eq!(calls.operations(25), 242_785);
        assert_eq!(calls.argument(1.0), 25);
        assert_eq!(calls.argument(0.01), 15);
        assert_eq!(calls.argument(1e-9), 2);
    }

    #[test]
    fn who_cannot_do_more_does_less() {
        let row = Row {
            fewer: &[("may", 20)],
            ..Row::times("sleep", 1000, 1)
        };
        assert_eq!(row.argument("may", 1.0), 20);
        assert_eq!(row.argument("may", 0.01), 10);
        assert_eq!(row.argument("go", 1.0), 1000);
    }

    #[test]
    fn a_name_may_end_in_a_size() {
        assert_eq!(Row::times("pairs_10", 1, 1).size(), Some(("pairs", 10)));
        assert_eq!(Row::times("spawn_seq", 1, 1).size(), None);
    }
}
