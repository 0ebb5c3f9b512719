//! Address space from the system: reserve, name, release.

use super::StackError;
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A private anonymous mapping; unmapped on drop.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping is plain memory; who may touch which part of it is decided
// by the stacks carved from it.
unsafe impl Send for Mapping {}
// SAFETY: as above; the mapping itself is never changed through `&self`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves `bytes` of demand-zero memory without huge pages, under the
    /// name "gorge stacks" in `/proc/self/smaps`.
    pub(super) fn reserve(bytes: usize) -> Result<Mapping, StackError> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a fresh anonymous mapping touches no existing memory.
        let start = unsafe { libc::mmap(null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(StackError::Map {
                bytes,
                source: io::Error::last_os_error(),
            });
        }
        let Some(start) = NonNull::new(start.cast()) else {
            unreachable!("mmap without MAP_FIXED never maps address 0")
        };
        let mapping = Mapping { start, bytes };
        mapping.advise();
        Ok(mapping)
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of this mapping that are in memory.
    pub(super) fn resident_bytes(&self) -> usize {
        const CHUNK_PAGES: usize = 4096;
        let page = page_size();
        let mut resident = [0u8; CHUNK_PAGES];
        let mut pages = 0;
        for offset in (0..self.bytes).step_by(CHUNK_PAGES * page) {
            let bytes = (self.bytes - offset).min(CHUNK_PAGES * page);
            // SAFETY: the range lies in this mapping, and the array has a byte
            // for each of its pages.
            let result = unsafe {
                let start = self.start.as_ptr().add(offset);
                libc::mincore(start.cast(), bytes, resident.as_mut_ptr().cast())
            };
            if result == 0 {
                let chunk = &resident[..bytes.div_ceil(page)];
                pages += chunk.iter().filter(|&&page| page & 1 != 0).count();
            }
        }
        pages * page
    }

    /// Both calls only improve matters: an old kernel's refusal is harmless.
    fn advise(&self) {
        let start = self.start.as_ptr();
        // SAFETY: the range is this mapping, and the name is a C string.
        unsafe {
            // A huge page would make a whole stack resident at first touch.
            libc::madvise(start.cast(), self.bytes, libc::MADV_NOHUGEPAGE);
            libc::prctl(
                libc::PR_SET_VMA,
                libc::PR_SET_VMA_ANON_NAME,
                start,
                self.bytes,
                c"gorge stacks".as_ptr(),
            );
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: whoever owns the mapping has no stack in use any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// The system's page size in bytes. Asked for once: each first run of a goroutine needs it.
#[inline]
pub(super) fn page_size() -> usize {
    static KNOWN: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: everybody finds the same.
    match KNOWN.load(Ordering::Relaxed) {
        0 => ask_page_size(&KNOWN),
        bytes => bytes,
    }
}

#[cold]
fn ask_page_size(known: &AtomicUsize) -> usize {
    // SAFETY: no precondition.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let bytes = usize::try_from(bytes).unwrap_or(4096);
    known.store(bytes, Ordering::Relaxed);
    bytes
}
