//! What is said about a path that cannot be read: one line.

use crate::line;
use std::io;

/// `checksum: PATH: reason`, with the path escaped as in the output.
pub(crate) fn complaint(path: &[u8], reason: &io::Error) -> String {
    let mut escaped = Vec::new();
    line::push_escaped(&mut escaped, path);
    format!("checksum: {}: {reason}", String::from_utf8_lossy(&escaped))
}
