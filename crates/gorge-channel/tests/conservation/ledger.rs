//! What became of every value: a number per value, a bit per event.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Its send returned `Ok`.
pub(crate) const SENT: u8 = 1;
/// A receive returned it.
pub(crate) const RECEIVED: u8 = 1 << 1;
/// Its send returned it in an error.
pub(crate) const RETURNED: u8 = 1 << 2;
/// It was in a channel when all was over.
pub(crate) const LEFT: u8 = 1 << 3;
/// It was dropped.
pub(crate) const DROPPED: u8 = 1 << 4;

/// More values than any program makes.
const VALUES_MAX: usize = 4096;

/// See the module's description.
pub(crate) struct Ledger {
    events: Vec<AtomicU8>,
    made: AtomicUsize,
    complaints: Mutex<Vec<String>>,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Ledger> {
        Arc::new(Ledger {
            events: (0..VALUES_MAX).map(|_| AtomicU8::new(0)).collect(),
            made: AtomicUsize::new(0),
            complaints: Mutex::default(),
        })
    }

    /// A new value.
    pub(crate) fn value(self: &Arc<Ledger>) -> Value {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Value {
            ledger: self.clone(),
            number: Box::new(number),
        }
    }

    /// Notes an event, which may happen to a value once.
    pub(crate) fn note(&self, number: usize, event: u8) {
        let before = self.events[number].fetch_or(event, Ordering::SeqCst);
        if before & (event | DROPPED) != 0 {
            self.complain(format!("value {number}: {event:#b} after {before:#b}"));
        }
    }

    /// Its send returned `Ok`. It may have been received, and dropped, before.
    pub(crate) fn note_sent(&self, number: usize) {
        self.events[number].fetch_or(SENT, Ordering::SeqCst);
    }

    /// Something is wrong, wherever that is found.
    pub(crate) fn complain(&self, text: String) {
        self.complaints.lock().push(text);
    }

    /// What is wrong, once all is over.
    pub(crate) fn audit(&self) -> Vec<String> {
        let mut complaints = self.complaints.lock().clone();
        for number in 0..self.made.load(Ordering::Relaxed) {
            let events = self.events[number].load(Ordering::SeqCst);
            // A value that was neither sent nor returned went down with the
            // cancel of its sender.
            let fate = events & !DROPPED;
            let fates = [0, RETURNED, SENT | RECEIVED, SENT | LEFT];
            if events & DROPPED == 0 || !fates.contains(&fate) {
                complaints.push(format!("value {number} ended as {events:#b}"));
            }
        }
        complaints
    }
}

/// A value that may be dropped once. The box lets AddressSanitizer see more.
pub(crate) struct Value {
    ledger: Arc<Ledger>,
    number: Box<usize>,
}

impl Value {
    pub(crate) fn number(&self) -> usize {
        *self.number
    }

    /// Notes what became of it, and drops it.
    pub(crate) fn note(self, event: u8) {
        self.ledger.note(*self.number, event);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.ledger.note(*self.number, DROPPED);
    }
}
