//! Readers and writers (Courtois, Heymans and Parnas, 1971): any number may read a
//! thing together, and who writes has it alone.
//!
//! If readers always come first, writers starve, and the other way round. gorge's
//! `RwLock` lets a reader wait behind a writer that waits, and gives the readers that
//! waited a turn after each writer.

use gorge::sync::{Barrier, RwLock};
use gorge::{checkpoint, scope, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

// Who only takes locks that are free never waits: `checkpoint` lets the others of its
// thread have their turn.

/// Two halves that writers keep equal, as long as they have them alone.
type Pair = RwLock<(u64, u64)>;

/// How many readers read at the same moment, for sure: none of them leaves before all
/// have come.
pub(crate) fn together(readers: usize) -> usize {
    let (pair, all_read) = (Pair::default(), Barrier::new(readers));
    let inside = AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..readers {
            s.spawn(|| {
                let _pair = pair.read();
                inside.fetch_add(1, Ordering::SeqCst);
                all_read.wait();
            });
        }
    });
    inside.into_inner()
}

/// Readers that never stop, until a writer has written so often. Returns how often
/// they read.
pub(crate) fn writer_among_readers(readers: usize, writes: u64) -> u64 {
    let (pair, done) = (Pair::default(), AtomicBool::new(false));
    let reads = AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..readers {
            s.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let pair = pair.read();
                    assert_eq!(pair.0, pair.1, "a half is written");
                    reads.fetch_add(1, Ordering::Relaxed);
                    drop(pair);
                    checkpoint();
                }
            });
        }
        s.spawn(|| {
            for _ in 0..writes {
                let mut pair = pair.write();
                pair.0 += 1;
                pair.1 += 1;
                drop(pair);
                yield_now();
            }
            done.store(true, Ordering::SeqCst);
        });
    });
    assert_eq!(*pair.read(), (writes, writes));
    reads.into_inner() as u64
}

/// Writers that never stop, until a reader has read so often. Returns how often they
/// wrote.
pub(crate) fn reader_among_writers(writers: usize, reads: u64) -> u64 {
    let (pair, done) = (Pair::default(), AtomicBool::new(false));
    scope(|s| {
        for _ in 0..writers {
            s.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let mut pair = pair.write();
                    pair.0 += 1;
                    pair.1 += 1;
                    drop(pair);
                    checkpoint();
                }
            });
        }
        s.spawn(|| {
            for _ in 0..reads {
                let pair = pair.read();
                assert_eq!(pair.0, pair.1, "a half is written");
                drop(pair);
                yield_now();
            }
            done.store(true, Ordering::SeqCst);
        });
    });
    pair.into_inner().0
}

pub(crate) fn tell() {
    gorge::run(|| {
        println!("  {} readers at one moment", together(8));
        let reads = writer_among_readers(8, 100);
        println!("  100 writes among 8 readers, which read {reads} times");
        let writes = reader_among_writers(8, 100);
        println!("  100 reads among 8 writers, which wrote {writes} times");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_read_together() {
        assert_eq!(gorge::run(|| together(20)), 20);
    }

    #[test]
    fn a_writer_among_readers_gets_its_turns() {
        gorge::run(|| writer_among_readers(4, 200));
    }

    #[test]
    fn a_reader_among_writers_gets_its_turns() {
        gorge::run(|| reader_among_writers(4, 200));
    }
}
