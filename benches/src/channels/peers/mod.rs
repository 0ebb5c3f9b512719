//! The channels that are compared, a file per peer, and threads to run them on.

mod crossbeam;
pub mod flume;
pub mod gorge;
pub mod kanal;
pub mod tokio;

pub use crossbeam::Crossbeam;

use super::blocking::Crew;
use std::thread::{self, JoinHandle};

/// Plain threads.
#[derive(Debug)]
pub struct Threads;

impl Crew for Threads {
    type Party = JoinHandle<()>;

    #[allow(clippy::disallowed_methods, reason = "threads are what is measured")]
    fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        thread::spawn(body)
    }

    fn join(party: JoinHandle<()>) {
        party.join().expect("it ends");
    }
}
