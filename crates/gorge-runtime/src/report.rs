//! What the runtime has to say on standard error.

use crate::fault;
use std::fmt;

/// Writes a line to standard error, if anybody listens there. It never panics, as
/// `eprintln` does when nobody does: that would stop the monitor, or leave a frame
/// that is lent to a goroutine. Nor does it wait for std's lock, whose holder may
/// be a goroutine that waits itself.
pub(crate) fn report(text: fmt::Arguments<'_>) {
    fault::print(format!("{text}\n").as_bytes());
}
