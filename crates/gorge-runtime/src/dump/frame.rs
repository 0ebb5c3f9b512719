//! One frame of a goroutine, as a dump shows it.

use std::fmt;
use std::sync::Arc;

/// A call that a goroutine is in.
///
/// `Display` prints Go's two lines: the function, and on the next one, after a
/// tab, where in its file it is.
///
/// A program that was built without debug information has names of functions only,
/// and none of those that were inlined; `debug = "line-tables-only"` adds files,
/// lines and inlined functions, but shortens names to their last part;
/// `debug = "limited"` has all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The function's name, with its path if the debug information has it, and
    /// without the compiler's hash; its address if it has no name.
    pub function: Arc<str>,
    /// The source file, as the compiler was told.
    pub file: Option<Arc<str>>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The address at which the function goes on when what it called returns.
    pub address: usize,
    /// The compiler put the function's code into that of its caller, the next
    /// frame, which has the same address.
    pub is_inlined: bool,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\t", self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => writeln!(f, "{file}:{line}"),
            (Some(file), None) => writeln!(f, "{file}"),
            (None, _) => writeln!(f, "{:#x}", self.address),
        }
    }
}
