//! A batch of files becomes the lines that are printed for it.

use crate::batch::Batch;
use crate::complaint::complaint;
use crate::line;
use crate::read::Reader;
use crate::window::Ticket;
use gorge::context::Context;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;

/// What there is to print for a batch.
pub(crate) struct Answer {
    pub(crate) ticket: Ticket,
    pub(crate) lines: Vec<u8>,
    pub(crate) complaints: Vec<String>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// It answers the empty batch at the end.
    pub(crate) is_last: bool,
}

/// Reads and digests the files of a batch. Gives up early, with nothing of use,
/// when the context is done.
pub(crate) fn digest(ctx: &Context, batch: Batch) -> Answer {
    let mut answer = Answer {
        is_last: batch.is_empty(),
        ticket: batch.ticket,
        lines: Vec::new(),
        complaints: batch.complaints,
        files: 0,
        bytes: 0,
    };
    let mut reader = Reader::new(batch.files);
    let mut hasher = Sha256::new();
    while !reader.is_done() && ctx.err().is_none() {
        for piece in reader.fill() {
            let bytes = reader.bytes(&piece);
            hasher.update(bytes);
            answer.bytes += bytes.len() as u64;
            let Some(end) = piece.end else { continue };
            let digest = hasher.finalize_reset();
            let path = end.path.as_os_str().as_bytes();
            match end.result {
                Ok(()) => line::push(&mut answer.lines, &digest, path),
                Err(error) => answer.complaints.push(complaint(path, &error)),
            }
            answer.files += 1;
        }
    }
    answer
}
