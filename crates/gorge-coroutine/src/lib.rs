//! Stackful coroutines on guarded stacks; the README is the front page.
#![doc = include_str!("../README.md")]

mod arch;
mod call;
mod coroutine;
pub mod fiber;
pub mod position;
mod sanitizer;
mod scoped;
pub mod stack;
mod unwind;
mod valgrind;

pub use call::{call_on, try_call_on};
pub use coroutine::{Coroutine, CoroutineResult, Yielder};
pub use scoped::{ScopedCoroutine, scope};
pub use stack::{
    LocalStack, LocalStackPool, OwnedStack, PooledStack, Stack, StackClasses, StackError, StackPool,
};
pub use unwind::ForcedUnwind;
