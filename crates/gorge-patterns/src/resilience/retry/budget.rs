//! `Budget`: how much of the load further attempts may be.

use crate::rate::{Limit, Limiter};
use gorge_sync::Mutex;
use std::fmt;
use std::sync::Arc;

/// How many further attempts there may be, as a share of the first ones, over all calls that
/// share it: so that when everything fails, load grows by that share, and does not multiply.
/// Clones share it.
///
/// Each first attempt adds its share; each further attempt takes one. What is unused adds up to
/// so much as a hundred seldom calls would need, no more. In addition there are a few per second
/// in any case, for those who call rarely.
///
/// # Examples
///
/// ```
/// use gorge_patterns::retry::Budget;
///
/// // One in five, and none for free.
/// let budget = Budget::new(0.2, 0.0);
/// assert!(!budget.withdraw());
/// (0..10).for_each(|_| budget.deposit());
/// assert!(budget.withdraw() && budget.withdraw());
/// assert!(!budget.withdraw());
/// ```
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    share: f64,
    balance: Mutex<f64>,
    floor: Limiter,
}

/// The balance is no higher.
const MOST: f64 = 100.0;

impl Budget {
    /// Further attempts may be this share of the first ones, and `per_second` in any case.
    ///
    /// # Panics
    ///
    /// If either is negative, or not a finite number.
    #[track_caller]
    #[must_use]
    pub fn new(share: f64, per_second: f64) -> Budget {
        assert!(
            share >= 0.0 && share.is_finite() && per_second >= 0.0 && per_second.is_finite(),
            "retry::Budget: {share} of all and {per_second} per second: give zero or more"
        );
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates"
        )]
        let burst = per_second.ceil() as usize;
        let floor = Limiter::new(Limit::per_second(per_second), burst);
        Budget {
            shared: Arc::new(Shared {
                share,
                balance: Mutex::new(0.0),
                floor,
            }),
        }
    }

    /// A first attempt is made.
    pub fn deposit(&self) {
        let mut balance = self.shared.balance.lock();
        *balance = (*balance + self.shared.share).min(MOST);
    }

    /// Whether a further attempt may be made; if so, it is counted.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        /// What sums of shares are short of by rounding.
        const EPSILON: f64 = 1e-9;
        {
            let mut balance = self.shared.balance.lock();
            if *balance >= 1.0 - EPSILON {
                *balance = (*balance - 1.0).max(0.0);
                return true;
            }
        }
        self.shared.floor.allow()
    }

    /// How many further attempts the first ones have paid for.
    #[must_use]
    pub fn balance(&self) -> f64 {
        *self.shared.balance.lock()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("share", &self.shared.share)
            .field("balance", &self.balance())
            .finish()
    }
}
