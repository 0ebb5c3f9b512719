//! gorge's channels, on goroutines or plain threads.

use super::Threads;
use super::crossbeam::crossbeam_api;
use crate::Setting;
use crate::channels::Row;
use crate::channels::blocking::{self, Crew};
use crate::program;
use gorge::JoinHandle;
use std::env;
use std::time::Duration;

/// gorge's channels.
#[derive(Debug)]
pub struct Gorge;

crossbeam_api!(Gorge, gorge::channel);

/// Goroutines of the runtime that the caller runs on.
#[derive(Debug)]
pub struct Goroutines;

impl Crew for Goroutines {
    type Party = JoinHandle<()>;

    fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        gorge::go(body)
    }

    fn join(party: JoinHandle<()>) {
        party.join().expect("it ends");
    }
}

/// Where the parties of a row run.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// On goroutines of such a runtime.
    Goroutines(Setting),
    /// On plain threads, without a runtime.
    Threads,
}

impl Place {
    /// The place that the environment names.
    ///
    /// # Errors
    ///
    /// If it names something else.
    pub fn from_environment() -> Result<Place, String> {
        let migrating = match env::var("BENCH_PLACEMENT").as_deref() {
            Err(_) | Ok("homed") => false,
            Ok("migrating") => true,
            Ok("threads") => return Ok(Place::Threads),
            Ok(_) => return Err("BENCH_PLACEMENT: give homed, migrating or threads".to_owned()),
        };
        let procs = program::procs()?;
        Ok(Place::Goroutines(Setting { migrating, procs }))
    }

    /// The number of workers, 0 for threads.
    pub fn procs(self) -> usize {
        match self {
            Place::Goroutines(setting) => setting.procs,
            Place::Threads => 0,
        }
    }

    /// Does a row.
    pub fn run(self, row: &Row) -> Duration {
        match self {
            Place::Goroutines(setting) => setting
                .runtime()
                .run(|| blocking::run::<Gorge, Goroutines>(row)),
            Place::Threads => blocking::run::<Gorge, Threads>(row),
        }
    }
}
