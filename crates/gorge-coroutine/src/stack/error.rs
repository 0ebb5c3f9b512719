//! Why there is no stack: each case says what to raise.

use std::io;

/// No stack can be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The requested reserve is above [`MAX_RESERVE`](super::MAX_RESERVE).
    #[error("a stack reserve of {requested} bytes was requested: the largest is 1 GiB")]
    ReserveTooLarge {
        /// Bytes asked for.
        requested: usize,
    },
    /// The system refused to map address space.
    #[error(
        "cannot map {bytes} bytes of address space for stacks: {source} \
         (raise RLIMIT_AS or vm.max_map_count, or lower the stack reserve)"
    )]
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to protect a guard page.
    #[error("cannot install a stack's guard page: {source} (raise vm.max_map_count)")]
    Guard {
        /// What the system said.
        source: io::Error,
    },
    /// Guard pages made by `mprotect` cost two memory maps each, and the share
    /// of `vm.max_map_count` meant for stacks is used up.
    #[error(
        "{live} stacks are alive, and this kernel's guard pages allow no more than \
         vm.max_map_count = {max_map_count} permits: raise it with \
         `sysctl -w vm.max_map_count=N`, or use Linux 6.13 or newer"
    )]
    MapBudget {
        /// Stacks carved so far.
        live: usize,
        /// The sysctl's value.
        max_map_count: usize,
    },
}
