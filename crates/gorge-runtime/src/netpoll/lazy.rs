//! A runtime's poller, made when something is registered for the first time.

use super::PollError;
use super::once::Once;
use super::poller::Poller;
use crate::scheduler::Shared;
use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};

/// See the module's description.
#[derive(Default)]
pub(crate) struct Netpoll {
    poller: Once<Arc<Poller>>,
    /// Whether the runtime has ended. Locked while the poller is being made.
    ended: Mutex<bool>,
}

impl Netpoll {
    /// The poller, if anything was ever registered.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<Poller>> {
        self.poller.get()
    }

    /// The poller, if anybody waits in it: then somebody must poll.
    #[inline]
    pub(crate) fn needed(&self) -> Option<&Arc<Poller>> {
        self.get().filter(|poller| poller.waiters() != 0)
    }

    pub(super) fn get_or_create(&self, runtime: Weak<Shared>) -> io::Result<&Arc<Poller>> {
        if let Some(poller) = self.get() {
            return Ok(poller);
        }
        let ended = self.ended.lock();
        if *ended {
            return Err(PollError::RuntimeEnded.into());
        }
        match self.get() {
            Some(poller) => Ok(poller),
            None => Ok(self.poller.fill(Arc::new(Poller::new(runtime)?))),
        }
    }

    /// The runtime has ended, and nobody will poll again: ends every wait.
    pub(crate) fn end(&self) {
        *self.ended.lock() = true;
        if let Some(poller) = self.get() {
            poller.end();
        }
    }
}
