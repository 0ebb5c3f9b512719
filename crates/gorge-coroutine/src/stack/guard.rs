//! Guard pages: one inaccessible page below every stack.
//!
//! Linux 6.13 has guard *markers* (`MADV_GUARD_INSTALL`): an entry in the page
//! table that makes an access fault, without splitting the mapping. A million
//! stacks then cost no more memory maps than their slabs. Older kernels get
//! `mprotect`, which splits the mapping in two places per stack, so the number
//! of stacks is limited by `vm.max_map_count`: a [`Budget`] counts them, over
//! all pools of the process.

use super::StackError;
use super::advise::{Range, advise};
use super::mapping::page_size;
use std::fs;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `MADV_GUARD_INSTALL`, since Linux 6.13.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// Stacks of this process that have a guard by `mprotect`. A count of a
/// resource that the kernel limits per process.
static PROTECTED: AtomicUsize = AtomicUsize::new(0);

/// How guard pages are made on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// A marker in the page table.
    Marker,
    /// A protection change, which splits the mapping.
    Protect,
}

impl Method {
    /// Finds out whether the kernel has guard markers, by making one at `page`,
    /// and whether it keeps it.
    pub(super) fn detect(page: NonNull<u8>) -> Method {
        if Method::Marker.install(&[page]).is_ok() && faults(page) {
            Method::Marker
        } else {
            Method::Protect
        }
    }

    /// Makes these pages fault on any access.
    pub(super) fn install(self, pages: &[NonNull<u8>]) -> Result<(), StackError> {
        let bytes = page_size();
        match self {
            Method::Marker => {
                let ranges: Vec<_> = pages.iter().map(|&start| Range { start, bytes }).collect();
                // SAFETY: the lowest pages of slots that are not in use.
                unsafe { advise(&ranges, MADV_GUARD_INSTALL) }
                    .map_err(|source| StackError::Guard { source })
            }
            Method::Protect => pages.iter().try_for_each(|page| {
                // SAFETY: as above.
                let result =
                    unsafe { libc::mprotect(page.as_ptr().cast(), bytes, libc::PROT_NONE) };
                if result == 0 {
                    return Ok(());
                }
                let source = io::Error::last_os_error();
                Err(StackError::Guard { source })
            }),
        }
    }
}

/// Whether the kernel refuses to read the page: an emulator may accept any
/// advice and do nothing.
fn faults(page: NonNull<u8>) -> bool {
    let mut ends = [0; 2];
    // SAFETY: a pipe of our own; the kernel reads from `page` and reports a
    // fault as an error instead of raising it.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            // Cannot tell, for lack of descriptors: the kernel said yes.
            return true;
        }
        let written = libc::write(ends[1], page.as_ptr().cast(), 1);
        let error = io::Error::last_os_error();
        libc::close(ends[0]);
        libc::close(ends[1]);
        written < 0 && error.raw_os_error() == Some(libc::EFAULT)
    }
}

/// The share of `vm.max_map_count` that stacks may use under
/// [`Method::Protect`].
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

    /// Takes the maps of up to `wanted` stacks, and returns for how many there
    /// were some.
    ///
    /// # Errors
    ///
    /// When there is none: the message names the limit.
    pub(super) fn take(self, wanted: usize) -> Result<usize, StackError> {
        let stacks_max = self.stacks_max();
        let mut taken = 0;
        // Relaxed: a count, nothing is published through it.
        let _ = PROTECTED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
            taken = wanted.min(stacks_max.saturating_sub(live));
            Some(live + taken)
        });
        if taken > 0 {
            return Ok(taken);
        }
        Err(StackError::MapBudget {
            live: stacks_max,
            max_map_count: self.max_map_count,
        })
    }

    /// Gives maps back, when their slabs are unmapped.
    pub(super) fn give_back(stacks: usize) {
        PROTECTED.fetch_sub(stacks, Ordering::Relaxed);
    }

    /// Two maps per stack, and an eighth of all is left to everybody else.
    fn stacks_max(self) -> usize {
        (self.max_map_count - self.max_map_count / 8) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_leaves_an_eighth_to_others() {
        let budget = Budget { max_map_count: 80 };
        assert_eq!(budget.stacks_max(), 35);
    }

    #[test]
    fn an_empty_budget_refuses_with_the_name_of_the_limit() {
        let error = Budget { max_map_count: 0 }.take(1).expect_err("no maps");
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
    }
}
