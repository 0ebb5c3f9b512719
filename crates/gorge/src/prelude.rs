//! The few names that most programs use: `use gorge::prelude::*`.

pub use crate::channel::{Receiver, Sender, bounded, unbounded};
pub use crate::context::{self, Context};
pub use crate::sync::{Mutex, WaitGroup};
pub use crate::{JoinHandle, Runtime, blocking, go, yield_now};
