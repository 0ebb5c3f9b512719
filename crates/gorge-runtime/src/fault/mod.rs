//! Stack overflows: recognised when the guard page is hit, reported by name.
//!
//! [`install`] puts a handler for SIGSEGV and SIGBUS in front of the one that
//! was there, once per process. [`AlternateStack`] gives a worker thread the
//! memory that the handler runs on: the goroutine's own stack is used up.
//!
//! A fault on the guard page below the stack of the goroutine that runs on this
//! thread is an overflow: the handler prints a report and aborts. Every other
//! fault goes to the handler that was there before; for std's own, an overflow
//! of a thread is still std's to report.
//!
//! The handler allocates nothing, takes no lock, and touches only memory of
//! this thread: the thread-local machine, its running G, and that one's stack.

mod alternate;
mod handler;
mod message;

pub(crate) use alternate::AlternateStack;
pub(crate) use handler::install;
pub(crate) use message::print;
