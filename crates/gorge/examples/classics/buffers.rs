//! Producers and consumers (Dijkstra, 1965) around a buffer with limited room, by three
//! kinds of locks: a condition variable, semaphores, and a read–write lock. A channel is
//! a fourth, and what one would use.

use gorge::scope;
use gorge::sync::{Condvar, Mutex, RwLock, Semaphore};
use std::collections::VecDeque;

/// A buffer that producers wait for when it is full, and consumers when it is empty.
pub(crate) trait Buffer: Sync {
    fn put(&self, value: u64);
    fn take(&self) -> u64;
}

/// One mutex, and a condition for each of the two reasons to wait.
pub(crate) struct WithCondvars {
    values: Mutex<VecDeque<u64>>,
    capacity: usize,
    not_full: Condvar,
    not_empty: Condvar,
}

impl WithCondvars {
    pub(crate) fn new(capacity: usize) -> WithCondvars {
        WithCondvars {
            values: Mutex::new(VecDeque::with_capacity(capacity)),
            capacity,
            not_full: Condvar::new(),
            not_empty: Condvar::new(),
        }
    }
}

impl Buffer for WithCondvars {
    fn put(&self, value: u64) {
        let mut values = self.values.lock();
        while values.len() == self.capacity {
            self.not_full.wait(&mut values);
        }
        values.push_back(value);
        drop(values);
        self.not_empty.notify_one();
    }

    fn take(&self) -> u64 {
        let mut values = self.values.lock();
        self.not_empty
            .wait_while(&mut values, |values| values.is_empty());
        let value = values.pop_front().expect("it is not empty");
        assert!(values.len() < self.capacity);
        drop(values);
        self.not_full.notify_one();
        value
    }
}

/// One semaphore counts the room, the other one the values.
pub(crate) struct WithSemaphores {
    values: Mutex<VecDeque<u64>>,
    room: Semaphore,
    filled: Semaphore,
}

impl WithSemaphores {
    pub(crate) fn new(capacity: usize) -> WithSemaphores {
        WithSemaphores {
            values: Mutex::new(VecDeque::with_capacity(capacity)),
            room: Semaphore::new(capacity),
            filled: Semaphore::new(0),
        }
    }
}

impl Buffer for WithSemaphores {
    fn put(&self, value: u64) {
        self.room.acquire().expect("it is never closed").forget();
        self.values.lock().push_back(value);
        self.filled.add_permits(1);
    }

    fn take(&self) -> u64 {
        self.filled.acquire().expect("it is never closed").forget();
        let value = self.values.lock().pop_front();
        self.room.add_permits(1);
        value.expect("there was a permit for it")
    }
}

/// A journal: every consumer reads all that was written, at its own pace, together with
/// the others. Producers alone keep each other, and the readers, out.
#[derive(Default)]
pub(crate) struct Journal {
    entries: RwLock<Vec<u64>>,
    written: Mutex<usize>,
    more: Condvar,
}

impl Journal {
    pub(crate) fn write(&self, entry: u64) {
        let mut entries = self.entries.write();
        entries.push(entry);
        let length = entries.len();
        drop(entries);
        // Writers may come here in another order.
        let mut written = self.written.lock();
        *written = length.max(*written);
        drop(written);
        self.more.notify_all();
    }

    /// What was written from `position` on; waits until there is something.
    pub(crate) fn read_from(&self, position: usize) -> Vec<u64> {
        let mut written = self.written.lock();
        self.more
            .wait_while(&mut written, |written| *written <= position);
        drop(written);
        self.entries.read()[position..].to_vec()
    }
}

/// Lets producers and consumers share a buffer; returns how many values came through,
/// and their sum.
pub(crate) fn exchange(
    buffer: &dyn Buffer,
    producers: u64,
    consumers: u64,
    each: u64,
) -> (u64, u64) {
    let total = producers * each;
    let (count, sum) = (Mutex::new(0), Mutex::new(0));
    scope(|s| {
        for producer in 0..producers {
            s.spawn(move || (0..each).for_each(|i| buffer.put(producer * each + i)));
        }
        for consumer in 0..consumers {
            let (count, sum) = (&count, &sum);
            // The first ones take what cannot be divided.
            let share = total / consumers + u64::from(consumer < total % consumers);
            s.spawn(move || {
                for _ in 0..share {
                    *sum.lock() += buffer.take();
                    *count.lock() += 1;
                }
            });
        }
    });
    (count.into_inner(), sum.into_inner())
}

/// Lets writers and readers share a journal; returns how much each reader read.
pub(crate) fn publish(writers: u64, readers: usize, each: u64) -> Vec<u64> {
    let journal = Journal::default();
    scope(|s| {
        for writer in 0..writers {
            let journal = &journal;
            s.spawn(move || (0..each).for_each(|i| journal.write(writer * each + i)));
        }
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                s.spawn(|| {
                    let (mut position, mut sum) = (0, 0);
                    while position < (writers * each) as usize {
                        let entries = journal.read_from(position);
                        position += entries.len();
                        sum += entries.iter().sum::<u64>();
                    }
                    sum
                })
            })
            .collect();
        let join = |reader: gorge::goroutine::ScopedJoinHandle<'_, u64>| reader.join();
        readers
            .into_iter()
            .map(join)
            .map(|it| it.expect("no panic"))
            .collect()
    })
}

pub(crate) fn tell() {
    gorge::run(|| {
        for (producers, consumers) in [(1, 1), (1, 4), (4, 1), (3, 5)] {
            let buffers: [(&str, Box<dyn Buffer>); 2] = [
                ("condition variables", Box::new(WithCondvars::new(4))),
                ("semaphores", Box::new(WithSemaphores::new(4))),
            ];
            for (name, buffer) in buffers {
                let (count, _) = exchange(&*buffer, producers, consumers, 1000);
                println!("  {producers} to {consumers} by {name}: {count} values");
            }
        }
        let sums = publish(2, 3, 1000);
        println!(
            "  a journal of 2 writers, each of 3 readers adds up {}",
            sums[0]
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_through_once() {
        gorge::run(|| {
            for capacity in [1, 2, 7] {
                for (producers, consumers) in [(1, 1), (1, 4), (4, 1), (3, 5)] {
                    let buffers: [Box<dyn Buffer>; 2] = [
                        Box::new(WithCondvars::new(capacity)),
                        Box::new(WithSemaphores::new(capacity)),
                    ];
                    for buffer in buffers {
                        let total = producers * 300;
                        let came = exchange(&*buffer, producers, consumers, 300);
                        assert_eq!(came, (total, total * (total - 1) / 2));
                    }
                }
            }
        });
    }

    #[test]
    fn every_reader_of_a_journal_reads_all_of_it() {
        let sums = gorge::run(|| publish(3, 4, 200));
        assert_eq!(sums, [600 * 599 / 2; 4]);
    }
}
