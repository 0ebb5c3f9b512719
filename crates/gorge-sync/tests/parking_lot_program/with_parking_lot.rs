//! The program with parking_lot.

use parking_lot as locks;

#[path = "program/mod.rs"]
pub(crate) mod program;
