//! Why a pipeline did not run to its end.

use gorge_channel::SharedPanic;
use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use thiserror::Error;

/// Why a [`Pipeline`](super::Pipeline) did not run to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A step returned this error, the first one.
    #[error("a step of the pipeline failed: {0}")]
    Failed(Arc<dyn Error + Send + Sync>),
    /// The context was done before, for this [cause].
    ///
    /// [cause]: gorge_channel::context::Context::cause
    #[error("the pipeline was cancelled: {0}")]
    Cancelled(Arc<dyn Error + Send + Sync>),
    /// A function of the user's panicked. [`into_panic`](PipelineError::into_panic) has the
    /// payload.
    #[error("a step of the pipeline panicked: {}", .0.text().unwrap_or("with a payload that is no text"))]
    Panicked(SharedPanic),
}

impl PipelineError {
    /// The payload, if a step panicked: for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// The error itself, if none did.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, PipelineError> {
        match self {
            PipelineError::Panicked(panic) => Ok(panic.into_payload()),
            error => Err(error),
        }
    }

    /// What a step returned, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            PipelineError::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}
