//! The programs of `cargo xtask bench channels`: one per peer, the same work for all.
//!
//! `PROGRAM ROW N` does the work that [`Row`] names with `N` messages, and prints how long it took. See
//! [`crate::program`] for the command line, the environment and the exit codes; `benches/go` holds Go's
//! program, which keeps to the same rules.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`row`] | what a row's name says: the work, the channel's room, the message |
//! | [`blocking`] | the work on channels whose operations block, on goroutines or threads |
//! | [`tasks`] | the same on channels whose operations are futures, on tokio's tasks |
//! | [`peers`] | the channels |
//!
//! The work is generic over the channel, and every function between the two is one call that is inlined.
//! The clock starts before channels are made and parties started, and stops when all have ended; what
//! runs them is up by then.

pub mod blocking;
pub mod peers;
pub mod program;
pub mod row;
pub mod tasks;

pub use crate::program::Unsupported;
pub use row::{Message, Row, Work};

/// How many parties there are on a side that has several, and how many channels in a select.
pub const CROWD: usize = 4;

#[cfg(test)]
mod tests;
