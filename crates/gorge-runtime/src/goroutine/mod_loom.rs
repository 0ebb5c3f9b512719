//! The end of a goroutine as loom sees it: its word, and models of who waits for it.

#![allow(dead_code, reason = "the models use a part of it")]

mod life;
#[cfg(test)]
mod loom;
