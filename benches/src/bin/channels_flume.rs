//! flume in `cargo xtask bench channels`.

use benches::channels::blocking;
use benches::channels::peers::{Threads, flume::Flume};
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_threads(|row| Ok(blocking::run::<Flume, Threads>(row)))
}
