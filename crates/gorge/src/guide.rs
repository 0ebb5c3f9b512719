//! The guide's chapters, compiled as documentation tests.
#![doc = include_str!("../../../docs/guide.md")]
