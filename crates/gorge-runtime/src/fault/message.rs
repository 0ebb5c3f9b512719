//! Text for a signal handler: a fixed buffer, and `write(2)`. The monitor prints
//! by the latter, too.

/// A report that is being put together. What does not fit is cut off.
pub(super) struct Message {
    bytes: [u8; 512],
    len: usize,
}

impl Message {
    pub(super) const fn new() -> Message {
        Message {
            bytes: [0; 512],
            len: 0,
        }
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Message {
        let room = &mut self.bytes[self.len..];
        let len = text.len().min(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        self
    }

    pub(super) fn decimal(&mut self, number: u64) -> &mut Message {
        self.number(number, 10)
    }

    pub(super) fn hexadecimal(&mut self, number: u64) -> &mut Message {
        self.text("0x").number(number, 16)
    }

    fn number(&mut self, mut number: u64, base: u64) -> &mut Message {
        let mut digits = [0u8; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
            if number == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[first..]).unwrap_or("?"))
    }

    /// Prints to standard error and starts anew.
    pub(super) fn print(&mut self) {
        print(&self.bytes[..self.len]);
        self.len = 0;
    }
}

/// Prints to standard error past std's lock. Nobody may be listening; that is no
/// reason to stop.
pub(crate) fn print(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the bytes are readable, and the descriptor is not closed by this.
        let written =
            unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written @ 1..) => bytes = &bytes[written..],
            Err(_) if may_write_again() => {}
            _ => break,
        }
    }
}

/// After a write that failed: whether the next one may not. It was interrupted, or
/// there is room within a second on a standard error that does not block, as one
/// that is shared with another program may.
fn may_write_again() -> bool {
    const PATIENCE_MS: i32 = 1000;
    // SAFETY: reads this thread's error number.
    match unsafe { *libc::__errno_location() } {
        libc::EINTR => true,
        libc::EAGAIN => {
            let mut stderr = libc::pollfd {
                fd: libc::STDERR_FILENO,
                events: libc::POLLOUT,
                revents: 0,
            };
            // SAFETY: one descriptor, for the time of the call. Not zero if it was
            // interrupted: then the write looks again.
            unsafe { libc::poll(&raw mut stderr, 1, PATIENCE_MS) != 0 }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(build: impl FnOnce(&mut Message)) -> String {
        let mut message = Message::new();
        build(&mut message);
        String::from_utf8_lossy(&message.bytes[..message.len]).into_owned()
    }

    #[test]
    fn numbers_and_texts_are_put_together() {
        let text = built(|m| {
            m.text("goroutine ")
                .decimal(0)
                .text(" at ")
                .hexadecimal(0xdead_beef);
        });
        assert_eq!(text, "goroutine 0 at 0xdeadbeef");
        assert_eq!(
            built(|m| {
                m.decimal(u64::MAX);
            }),
            "18446744073709551615"
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let text = built(|m| {
            m.text(&"x".repeat(600)).decimal(7);
        });
        assert_eq!(text, "x".repeat(512));
    }
}
