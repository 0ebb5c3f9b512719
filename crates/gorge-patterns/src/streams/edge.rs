//! Which values of a hurry are passed on: the first, the last, or both.

/// Which of the values that come too fast [`debounce`](crate::debounce()) and
/// [`throttle`](crate::throttle()) pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The first, at once. The others are dropped.
    Leading,
    /// The last, when it is time.
    Trailing,
    /// The first, at once, and the last, when it is time, if there were others.
    Both,
}

impl Edge {
    /// Whether the first value is passed on at once.
    pub(super) fn leads(self) -> bool {
        self != Edge::Trailing
    }

    /// Whether the last value is passed on when it is time.
    pub(super) fn trails(self) -> bool {
        self != Edge::Leading
    }
}
