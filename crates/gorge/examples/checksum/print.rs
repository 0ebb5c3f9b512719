//! Lines go to standard output, complaints to standard error: in the blocking
//! pool, as a reader who does not read blocks the writer.

use crate::digest::Answer;
use crate::progress::Progress;
use gorge::blocking;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Lines go out when there are so many bytes of them, or when there is some
/// other reason to go to the pool.
const BYTES_ENOUGH: usize = 64 * 1024;

pub(crate) struct Printer {
    /// Standard output without the buffer and the lock that std gives it.
    out: File,
    lines: Vec<u8>,
    progress: Progress,
    complained: bool,
}

impl Printer {
    pub(crate) fn new() -> io::Result<Printer> {
        Ok(Printer {
            out: File::from(io::stdout().as_fd().try_clone_to_owned()?),
            lines: Vec::new(),
            progress: Progress::new(),
            complained: false,
        })
    }

    /// Prints an answer: its complaints now, its lines soon.
    pub(crate) fn print(&mut self, answer: &Answer) -> io::Result<()> {
        self.lines.extend(&answer.lines);
        let complains = !answer.complaints.is_empty();
        self.complained |= complains;
        if complains || self.progress.is_shown() || self.lines.len() >= BYTES_ENOUGH {
            blocking(|| self.print_now(answer))?;
        }
        Ok(())
    }

    /// Prints what is left.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        blocking(|| {
            self.progress.finish();
            self.write_lines()
        })
    }

    pub(crate) fn has_complained(&self) -> bool {
        self.complained
    }

    fn print_now(&mut self, answer: &Answer) -> io::Result<()> {
        self.progress.advance(answer.files, answer.bytes);
        let progress = self.progress.clone();
        progress.suspended(|| {
            for complaint in &answer.complaints {
                // Where could one complain that complaining fails?
                let _ = writeln!(io::stderr(), "{complaint}");
            }
            self.write_lines()
        })
    }

    fn write_lines(&mut self) -> io::Result<()> {
        self.out.write_all(&self.lines)?;
        self.lines.clear();
        Ok(())
    }
}
