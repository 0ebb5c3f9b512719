//! Faults to order: each happens once, to whoever has that item in hand.

use gorge::sync::Mutex;
use std::sync::Arc;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The worker panics.
    Panic,
    /// The worker returns an error.
    Error,
    /// The worker waits for what never comes, and beats no more.
    Stall,
}

/// What is still to go wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
struct Left {
    of_workers: Vec<(u64, Fault)>,
    of_ledger: bool,
}

impl Faults {
    /// Of `panic:N`, `error:N`, `stall:N` and `ledger`.
    pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Faults, String> {
        let mut left = Left::default();
        for word in words {
            let unknown = || format!("{word:?} is no fault");
            if word == "ledger" {
                left.of_ledger = true;
                continue;
            }
            let (kind, item) = word.split_once(':').ok_or_else(unknown)?;
            let fault = match kind {
                "panic" => Fault::Panic,
                "error" => Fault::Error,
                "stall" => Fault::Stall,
                _ => return Err(unknown()),
            };
            let item = item.parse().map_err(|_| unknown())?;
            left.of_workers.push((item, fault));
        }
        Ok(Faults(Arc::new(Mutex::new(left))))
    }

    /// What happens to the worker with this item; once.
    pub(crate) fn at(&self, item: u64) -> Option<Fault> {
        let mut left = self.0.lock();
        let at = left.of_workers.iter().position(|(it, _)| *it == item)?;
        Some(left.of_workers.swap_remove(at).1)
    }

    /// Whether the ledger's goroutine fails now; once.
    pub(crate) fn at_ledger(&self) -> bool {
        std::mem::take(&mut self.0.lock().of_ledger)
    }
}
