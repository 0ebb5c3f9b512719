//! One pool per size class: powers of two from 16 KiB to 1 GiB.

use super::{MAX_RESERVE, MIN_RESERVE, PooledStack, StackError, StackPool};
use parking_lot::Mutex;

const CLASSES: usize = (MAX_RESERVE / MIN_RESERVE).ilog2() as usize + 1;

/// Pools for stacks of any reserve. Each is made when it is first used.
pub struct StackClasses {
    pools: Mutex<[Option<StackPool>; CLASSES]>,
}

impl Default for StackClasses {
    fn default() -> StackClasses {
        StackClasses::new()
    }
}

impl StackClasses {
    /// No pools yet.
    pub const fn new() -> StackClasses {
        StackClasses {
            pools: Mutex::new([const { None }; CLASSES]),
        }
    }

    /// Takes a stack with `reserve` bytes of address space or more: the next
    /// power of two.
    ///
    /// # Errors
    ///
    /// If the reserve is above 1 GiB, or the system refuses to map more.
    pub fn take(&self, reserve: usize) -> Result<PooledStack, StackError> {
        self.pool(reserve)?.take()
    }

    /// Cools every pool; see [`StackPool::cool`].
    pub fn cool(&self) -> usize {
        // Cloned first: cooling makes system calls.
        let pools: Vec<_> = self.pools.lock().iter().flatten().cloned().collect();
        pools.iter().map(StackPool::cool).sum()
    }

    /// The pool that serves this reserve.
    ///
    /// # Errors
    ///
    /// If the reserve is above 1 GiB.
    pub fn pool(&self, reserve: usize) -> Result<StackPool, StackError> {
        if reserve > MAX_RESERVE {
            return Err(StackError::ReserveTooLarge { requested: reserve });
        }
        let class_bytes = reserve.max(MIN_RESERVE).next_power_of_two();
        let class = (class_bytes / MIN_RESERVE).ilog2() as usize;
        let slot = &mut self.pools.lock()[class];
        if let Some(pool) = slot {
            return Ok(pool.clone());
        }
        let pool = StackPool::new(class_bytes)?;
        *slot = Some(pool.clone());
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_served_by_the_next_power_of_two() {
        let classes = StackClasses::new();
        for (asked, got) in [
            (0, MIN_RESERVE),
            (MIN_RESERVE, MIN_RESERVE),
            (MIN_RESERVE + 1, 2 * MIN_RESERVE),
            (100_000, 128 * 1024),
            (MAX_RESERVE, MAX_RESERVE),
        ] {
            assert_eq!(classes.take(asked).expect("a stack").reserve(), got);
        }
        assert!(classes.take(MAX_RESERVE + 1).is_err());
    }
}
