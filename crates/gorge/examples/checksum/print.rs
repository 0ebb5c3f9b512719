//! Lines go to standard output, complaints to standard error: in the blocking
//! pool, as a reader who does not read blocks the writer.

use crate::digest::Answer;
use crate::progress::Progress;
use gorge::blocking;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Lines are written when there are so many bytes of them; at once if somebody
/// watches.
const BYTES_ENOUGH: usize = 64 * 1024;

pub(crate) struct Printer {
    /// Standard output without the buffer and the lock that std gives it.
    out: File,
    is_watched: bool,
    lines: Vec<u8>,
    progress: Progress,
    complained: bool,
}

impl Printer {
    pub(crate) fn new() -> io::Result<Printer> {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Printer {
            is_watched: out.is_terminal(),
            out,
            lines: Vec::new(),
            progress: Progress::new(),
            complained: false,
        })
    }

    /// Prints an answer: its complaints now, its lines soon.
    pub(crate) fn print(&mut self, answer: &Answer) -> io::Result<()> {
        self.lines.extend(&answer.lines);
        self.complained |= !answer.complaints.is_empty();
        let is_due =
            !answer.complaints.is_empty() || self.lines.len() >= BYTES_ENOUGH || self.is_watched;
        if is_due || self.progress.is_shown() {
            blocking(|| {
                self.progress.advance(answer.files, answer.bytes);
                if is_due {
                    self.write(&answer.complaints)
                } else {
                    Ok(())
                }
            })?;
        }
        Ok(())
    }

    /// Prints what is left.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        blocking(|| {
            self.progress.finish();
            self.write(&[])
        })
    }

    pub(crate) fn has_complained(&self) -> bool {
        self.complained
    }

    fn write(&mut self, complaints: &[String]) -> io::Result<()> {
        self.progress.suspended(|| {
            for complaint in complaints {
                // Where could one complain that complaining fails?
                let _ = writeln!(io::stderr(), "{complaint}");
            }
            self.out.write_all(&self.lines)
        })?;
        self.lines.clear();
        Ok(())
    }
}
