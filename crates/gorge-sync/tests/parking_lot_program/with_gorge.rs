//! The program with this crate.

use gorge_sync as locks;

#[path = "program/mod.rs"]
pub(crate) mod program;
