//! A file that grows: what was added since the last look.
//!
//! If the file has become shorter, or there is another one of its name, it is read from its
//! begin. A line is passed on when it is complete. A file that is missing for a while, as one
//! is that is rotated, has nothing; at the first look it must be there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// How much is read at a look.
const MOST: u64 = 1 << 20;

pub(crate) struct Tail {
    path: PathBuf,
    /// Which file it was, by device and inode.
    file: Option<(u64, u64)>,
    offset: u64,
    /// A line that is not complete.
    rest: Vec<u8>,
}

impl Tail {
    pub(crate) fn new(path: PathBuf) -> Tail {
        Tail {
            path,
            file: None,
            offset: 0,
            rest: Vec::new(),
        }
    }

    /// The lines that were completed since the last call.
    pub(crate) fn read_added(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.file.is_some() => {
                return Ok(Vec::new());
            }
            file => file?,
        };
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        if self.file.replace(identity) != Some(identity) || metadata.len() < self.offset {
            self.offset = 0;
            self.rest.clear();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let count = file.take(MOST).read_to_end(&mut self.rest)?;
        self.offset += count as u64;
        Ok(self.take_lines())
    }

    fn take_lines(&mut self) -> Vec<String> {
        let Some(last) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(last + 1);
        let complete = std::mem::replace(&mut self.rest, rest);
        let lines = complete[..last].split(|&byte| byte == b'\n');
        lines
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}
