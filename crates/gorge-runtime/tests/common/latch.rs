//! Blocks a thread by a plain system call, until it is let go.

use std::io::Read;
use std::os::unix::net::UnixStream;

/// Lets the thread go that blocks in [`Latch::wait`] when it is dropped.
pub(crate) struct Release(#[allow(dead_code, reason = "its drop is what counts")] UnixStream);

/// The side that blocks.
pub(crate) struct Latch(UnixStream);

/// Both sides.
pub(crate) fn latch() -> (Release, Latch) {
    let (release, wait) = UnixStream::pair().expect("a pair of sockets");
    (Release(release), Latch(wait))
}

impl Latch {
    /// Blocks the thread until the other side is dropped.
    pub(crate) fn wait(mut self) {
        let read = self.0.read(&mut [0]).expect("the other side says nothing");
        assert_eq!(read, 0);
    }
}
