//! Room for the value of a case, whatever its type: in place up to 64 bytes, else one
//! allocation, made outside of all locks.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many words lie in place.
const WORDS: usize = 8;

/// The room. It may be moved while no counterpart knows its address.
pub(super) struct Slot {
    inline: MaybeUninit<[u64; WORDS]>,
    layout: Layout,
    /// Where it lies, if not in place.
    heap: Option<NonNull<()>>,
}

impl Slot {
    pub(super) fn new(layout: Layout) -> Slot {
        let fits = layout.size() <= size_of::<[u64; WORDS]>()
            && layout.align() <= align_of::<[u64; WORDS]>();
        let heap = (!fits).then(|| {
            // SAFETY: what does not fit in place has a size: for an alignment alone,
            // there is a byte.
            let address = unsafe { alloc(non_empty(layout)) };
            NonNull::new(address.cast()).unwrap_or_else(|| handle_alloc_error(layout))
        });
        Slot {
            inline: MaybeUninit::uninit(),
            layout,
            heap,
        }
    }

    /// Aligned, and so large, as the layout asked for.
    pub(super) fn address(&mut self) -> NonNull<()> {
        self.heap.unwrap_or(NonNull::from(&mut self.inline).cast())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(heap) = self.heap {
            // SAFETY: allocated in `new`, with this layout.
            unsafe { dealloc(heap.as_ptr().cast(), non_empty(self.layout)) };
        }
    }
}

/// The allocator refuses what has no size.
fn non_empty(layout: Layout) -> Layout {
    match layout.size() {
        0 => Layout::from_size_align(1, layout.align()).unwrap_or(layout),
        _ => layout,
    }
}
