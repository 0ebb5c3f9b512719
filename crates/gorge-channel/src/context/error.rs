//! Why a context is done.

use thiserror::Error;

/// Why a [`Context`](super::Context) is done. The texts are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It was cancelled.
    #[error("context canceled")]
    Canceled,
    /// Its deadline passed.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
}
