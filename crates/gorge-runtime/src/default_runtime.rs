//! The process-wide runtime for goroutines that are started outside of any.

use crate::error::BuildError;
use crate::runtime::Runtime;
use crate::scheduler::Shared;
use std::sync::{Arc, OnceLock};

/// Built at first use and never shut down: like Go's, it lives as long as the
/// process.
static DEFAULT: OnceLock<Runtime> = OnceLock::new();

pub(crate) fn try_get() -> Result<&'static Arc<Shared>, BuildError> {
    if DEFAULT.get().is_none() {
        // Two threads may build one each; the second is dropped.
        let built = Runtime::new()?;
        drop(DEFAULT.set(built));
    }
    match DEFAULT.get() {
        Some(runtime) => Ok(runtime.shared()),
        None => unreachable!("set above, and never unset"),
    }
}

#[track_caller]
pub(crate) fn get() -> &'static Arc<Shared> {
    match try_get() {
        Ok(shared) => shared,
        Err(error) => panic!("the default runtime cannot be created: {error}"),
    }
}
