//! Models know their locks: nothing is tracked under loom.

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one party alone.
    Exclusive,
    /// Together with others that hold it so.
    Shared,
}

/// Never.
pub fn are_tracked() -> bool {
    false
}

/// Never.
pub fn are_told() -> bool {
    false
}

/// Does nothing.
pub fn tries() {}

/// Does nothing.
pub fn wants(_lock: usize, _kind: &'static str, _mode: Mode) {}

/// Does nothing.
pub fn has(_lock: usize, _mode: Mode) {}

/// Does nothing.
pub fn lets_go(_lock: usize) {}

/// Does nothing.
pub fn is_gone(_lock: usize) {}
