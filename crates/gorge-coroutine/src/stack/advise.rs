//! Telling the kernel about many page ranges at once.
//!
//! `process_madvise` takes a list of ranges, so one system call does the work of
//! sixty-four. It is used on the process itself by the descriptor that means
//! "self", which needs no open file and stays right after a fork; kernels that
//! do not know that get one `madvise` per range.

use std::io;
use std::ptr::NonNull;

/// How many ranges one call takes.
pub(super) const BATCH: usize = 64;

/// `PIDFD_SELF_THREAD_GROUP`, since Linux 6.14.
const PIDFD_SELF_THREAD_GROUP: libc::c_int = -10001;

/// A range of whole pages of an own mapping.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) start: NonNull<u8>,
    pub(super) bytes: usize,
}

/// Gives one advice for all ranges, in batches.
///
/// # Safety
///
/// The ranges lie in own mappings, and the advice may be applied to them: what
/// it discards is not needed.
pub(super) unsafe fn advise(ranges: &[Range], advice: libc::c_int) -> io::Result<()> {
    for batch in ranges.chunks(BATCH) {
        // SAFETY: the caller's contract.
        let done = unsafe { advise_together(batch, advice) };
        for range in &batch[done..] {
            // SAFETY: the caller's contract.
            let result = unsafe { libc::madvise(range.start.as_ptr().cast(), range.bytes, advice) };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Returns how many of the ranges, from the first on, are done.
///
/// # Safety
///
/// As for [`advise`].
unsafe fn advise_together(batch: &[Range], advice: libc::c_int) -> usize {
    if batch.len() < 2 {
        return 0;
    }
    let mut list = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; BATCH];
    for (entry, range) in list.iter_mut().zip(batch) {
        entry.iov_base = range.start.as_ptr().cast();
        entry.iov_len = range.bytes;
    }
    // SAFETY: the list is valid for its length; the ranges by contract.
    let bytes = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            PIDFD_SELF_THREAD_GROUP,
            list.as_ptr(),
            batch.len(),
            advice,
            0,
        )
    };
    // Refused as a whole, or stopped part of the way: counts whole ranges.
    let mut left = usize::try_from(bytes).unwrap_or(0);
    let mut done = 0;
    for range in batch {
        if left < range.bytes {
            break;
        }
        left -= range.bytes;
        done += 1;
    }
    done
}
