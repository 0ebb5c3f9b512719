//! The program. It knows its channels as `super::channel`.

use super::channel;

pub(crate) mod channels;
pub(crate) mod dynamic;
pub(crate) mod errors;
pub(crate) mod macros;
pub(crate) mod timers;
