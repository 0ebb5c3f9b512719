//! Which threads of the process are a runtime's own.
//!
//! Threads enter their id themselves when they start, and take it out before they
//! end, so an id in the list is that of a thread that exists. A thread that is
//! about to start, or to end, thus counts as foreign for a moment: a deadlock may
//! then be found a moment later, but none is that does not exist.
//!
//! A servant of all runtimes that never wakes a goroutine is nobody's own, and nobody
//! waits for what it does.

use parking_lot::Mutex;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, LazyLock};

const TASKS: &str = "/proc/self/task";

/// A thread's number in the kernel.
pub(super) type ThreadId = libc::c_long;

/// The threads of one runtime: workers, blocking pool, monitor.
#[derive(Default)]
pub(crate) struct OwnThreads(Mutex<Ids>);

/// The servants of all runtimes.
static SERVANTS: LazyLock<Arc<OwnThreads>> = LazyLock::new(Arc::default);

#[derive(Default)]
struct Ids {
    ids: Vec<ThreadId>,
    /// How often one was taken out.
    gone: u64,
}

/// The calling thread is one of the runtime's, until this is dropped.
pub(crate) struct Member {
    threads: Arc<OwnThreads>,
    id: ThreadId,
}

/// The number of the calling thread.
pub(super) fn this_thread() -> ThreadId {
    // SAFETY: no precondition.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

/// For a thread that has just started, serves any runtime, and wakes no goroutine.
pub(crate) fn enter_as_servant() -> Member {
    SERVANTS.enter()
}

impl OwnThreads {
    /// For a thread that has just started.
    pub(crate) fn enter(self: &Arc<Self>) -> Member {
        let id = this_thread();
        self.0.lock().ids.push(id);
        Member {
            threads: Arc::clone(self),
            id,
        }
    }

    /// Whether all threads of the process are these, servants, or among `others`.
    /// Not if that cannot be found out.
    pub(super) fn are_alone_with(&self, others: &[ThreadId]) -> bool {
        let mut known = others.to_vec();
        let lists = [self, &**SERVANTS];
        let gone = lists.map(|list| {
            let list = list.0.lock();
            known.extend(&list.ids);
            list.gone
        });
        known.sort_unstable();
        let is_known = |id: &ThreadId| known.binary_search(id).is_ok();
        let Some(all) = listing() else { return false };
        // The second time: nobody has ended whose number a new thread may have got.
        all.iter().all(is_known) && lists.map(|list| list.0.lock().gone) == gone
    }
}

/// The threads of the process. `None` if one of them ended or started meanwhile:
/// the kernel may then skip another one.
fn listing() -> Option<Vec<ThreadId>> {
    let before = count()?;
    let mut all = Vec::with_capacity(before);
    for entry in fs::read_dir(TASKS).ok()? {
        all.push(entry.ok()?.file_name().to_str()?.parse().ok()?);
    }
    (all.len() == before && count()? == before).then_some(all)
}

/// How many threads there are: the folder has a link for each, and two of its own.
fn count() -> Option<usize> {
    let links = fs::metadata(TASKS).ok()?.nlink();
    usize::try_from(links).ok()?.checked_sub(2)
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut own = self.threads.0.lock();
        if let Some(place) = own.ids.iter().position(|id| *id == self.id) {
            own.ids.swap_remove(place);
            own.gone += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "threads are what is tested")]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_harness_is_foreign() {
        let threads = Arc::new(OwnThreads::default());
        let _member = threads.enter();
        // The harness's main thread waits for this one.
        assert!(!threads.are_alone_with(&[]));
    }

    #[test]
    fn a_listing_has_every_thread_that_stays() {
        let (its_id, stop) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(false)));
        let (tells, stops) = (its_id.clone(), stop.clone());
        let other = thread::spawn(move || {
            *tells.lock() = Some(this_thread());
            while !*stops.lock() {
                thread::park();
            }
        });
        let id = loop {
            if let Some(id) = *its_id.lock() {
                break id;
            }
            thread::yield_now();
        };
        let mut found = None;
        while found.is_none() {
            found = listing();
        }
        assert!(found.expect("just found").contains(&id));
        *stop.lock() = true;
        other.thread().unpark();
        other.join().expect("it ends");
    }
}
