//! The contents of a batch of files, a bufferful at a time.
//!
//! A bufferful is one errand to the blocking pool: it brings all of many small
//! files, or a part of a large one.
//!
//! ```text
//!   files      | a | b  |            c             |d|
//!   buffer     |---------------|---------------|-------
//!   pieces     | a | b  |  c   |       c       | c |d|
//! ```

use crate::batch::BYTES_ENOUGH;
use gorge::blocking;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::vec;

/// Room for a batch without large files, and for reading on in large ones
/// without an errand too often.
const BUFFER_BYTES: usize = 2 * BYTES_ENOUGH as usize;

/// See the module's description.
pub(crate) struct Reader {
    files: vec::IntoIter<PathBuf>,
    /// The file that the last bufferful did not finish.
    unfinished: Option<(PathBuf, File)>,
    buffer: Vec<u8>,
}

/// The stretch of the buffer that belongs to one file.
pub(crate) struct Piece {
    range: Range<usize>,
    /// The file ends here.
    pub(crate) end: Option<End>,
}

/// A file, and whether it was read to its end.
pub(crate) struct End {
    pub(crate) path: PathBuf,
    pub(crate) result: io::Result<()>,
}

impl Reader {
    pub(crate) fn new(files: Vec<PathBuf>) -> Reader {
        Reader {
            files: files.into_iter(),
            unfinished: None,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Whether all files were read.
    pub(crate) fn is_done(&self) -> bool {
        self.unfinished.is_none() && self.files.as_slice().is_empty()
    }

    /// Reads the next bufferful while the goroutine waits.
    pub(crate) fn fill(&mut self) -> Vec<Piece> {
        blocking(|| self.fill_now())
    }

    /// The contents of a piece of the last bufferful.
    pub(crate) fn bytes(&self, piece: &Piece) -> &[u8] {
        &self.buffer[piece.range.clone()]
    }

    fn fill_now(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut filled = 0;
        while filled < self.buffer.len() {
            let Some((path, file)) = self.next_file() else {
                break;
            };
            let start = filled;
            let result = file.and_then(|mut file| {
                let at_end = read_full(&mut file, &mut self.buffer, &mut filled)?;
                Ok((!at_end).then_some(file))
            });
            let end = match result {
                Ok(Some(file)) => {
                    self.unfinished = Some((path, file));
                    None
                }
                Ok(None) => Some(End {
                    path,
                    result: Ok(()),
                }),
                Err(error) => Some(End {
                    path,
                    result: Err(error),
                }),
            };
            let range = start..filled;
            pieces.push(Piece { range, end });
        }
        pieces
    }

    fn next_file(&mut self) -> Option<(PathBuf, io::Result<File>)> {
        if let Some((path, file)) = self.unfinished.take() {
            return Some((path, Ok(file)));
        }
        let path = self.files.next()?;
        let file = File::open(&path);
        Some((path, file))
    }
}

/// Reads until the buffer is full or the file ends; true if the file ends.
fn read_full(file: &mut File, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while *filled < buffer.len() {
        match file.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(true),
            Ok(count) => *filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
