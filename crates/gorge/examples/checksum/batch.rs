//! Batches: as many files as are worth one errand to the blocking pool.
//!
//! Small files are read together, in one errand for all of them. A large one
//! ends its batch, so that the next files go to another goroutine.

use crate::walk::Walk;
use crate::window::{Ticket, Window};
use gorge::blocking;
use std::path::PathBuf;

/// A batch has so many files at most,
const FILES_MAX: usize = 64;
/// and ends with the file with which it has so many bytes.
pub(crate) const BYTES_ENOUGH: u64 = 256 * 1024;

/// Files that follow each other in the output.
pub(crate) struct Batch {
    pub(crate) ticket: Ticket,
    pub(crate) files: Vec<PathBuf>,
    /// About the directories between them.
    pub(crate) complaints: Vec<String>,
}

/// The batches of a walk. Behind them comes an empty one: whoever gets that has
/// missed none.
pub(crate) struct Batches {
    walk: Walk,
    window: Window,
    ended: bool,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.complaints.is_empty()
    }
}

impl Batches {
    pub(crate) fn new(walk: Walk, window: Window) -> Batches {
        Batches {
            walk,
            window,
            ended: false,
        }
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.ended {
            return None;
        }
        let ticket = self.window.ticket();
        let (files, complaints) = blocking(|| gather(&mut self.walk));
        let batch = Batch {
            ticket,
            files,
            complaints,
        };
        self.ended = batch.is_empty();
        Some(batch)
    }
}

/// The next files of the walk and the complaints between them; none at its end.
fn gather(walk: &mut Walk) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut complaints) = (Vec::new(), Vec::new());
    let mut bytes: u64 = 0;
    while files.len() + complaints.len() < FILES_MAX && bytes < BYTES_ENOUGH {
        match walk.next() {
            Some(Ok(found)) => {
                bytes = bytes.saturating_add(found.bytes);
                files.push(found.path);
            }
            Some(Err(complaint)) => complaints.push(complaint),
            None => break,
        }
    }
    (files, complaints)
}
