//! Guard pages: one inaccessible page below every stack.
//!
//! Linux 6.13 has guard *markers* (`MADV_GUARD_INSTALL`): an entry in the page
//! table that makes an access fault, without splitting the mapping. A million
//! stacks then cost no more memory maps than their slabs. Older kernels get
//! `mprotect`, which splits the mapping in two places per stack, so the number
//! of stacks is limited by `vm.max_map_count`: a [`Budget`] counts them.

use super::StackError;
use super::mapping::page_size;
use std::fs;
use std::io;
use std::ptr::NonNull;

/// `MADV_GUARD_INSTALL`, since Linux 6.13.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// How guard pages are made on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// A marker in the page table.
    Marker,
    /// A protection change, which splits the mapping.
    Protect,
}

impl Method {
    /// Finds the method by installing the guard at `page`.
    pub(super) fn detect(page: NonNull<u8>) -> Result<Method, StackError> {
        if Method::Marker.install(page).is_ok() {
            return Ok(Method::Marker);
        }
        Method::Protect.install(page).map(|()| Method::Protect)
    }

    /// Makes the page at `page` fault on any access.
    pub(super) fn install(self, page: NonNull<u8>) -> Result<(), StackError> {
        let address = page.as_ptr().cast();
        // SAFETY: `page` is the lowest page of a slot of an own mapping, and
        // the slot is not in use yet.
        let result = unsafe {
            match self {
                Method::Marker => libc::madvise(address, page_size(), MADV_GUARD_INSTALL),
                Method::Protect => libc::mprotect(address, page_size(), libc::PROT_NONE),
            }
        };
        if result == 0 {
            Ok(())
        } else {
            Err(StackError::Guard {
                source: io::Error::last_os_error(),
            })
        }
    }
}

/// The share of `vm.max_map_count` that stacks may use under [`Method::Protect`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    max_map_count: usize,
}

impl Budget {
    /// Reads the system's limit; the kernel's default where it cannot be read.
    pub(super) fn read() -> Budget {
        let text = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        Budget {
            max_map_count: text.trim().parse().unwrap_or(65_530),
        }
    }

    /// Refuses when one more stack beside `carved` ones would exceed the share.
    ///
    /// Two maps per stack, and an eighth of all is left to everybody else.
    pub(super) fn check(self, carved: usize) -> Result<(), StackError> {
        let share = self.max_map_count - self.max_map_count / 8;
        if (carved + 1) * 2 <= share {
            return Ok(());
        }
        Err(StackError::MapBudget {
            live: carved,
            max_map_count: self.max_map_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_refuses_with_the_name_of_the_limit() {
        let budget = Budget { max_map_count: 80 };
        assert!(budget.check(34).is_ok());
        let error = budget
            .check(35)
            .expect_err("36 stacks need 72 maps, the share is 70");
        assert!(
            error.to_string().contains("vm.max_map_count = 80"),
            "{error}"
        );
    }
}
