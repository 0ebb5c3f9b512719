//! crossbeam-channel in `cargo xtask bench channels`.

use benches::channels::blocking;
use benches::channels::peers::{Crossbeam, Threads};
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_threads(|row| Ok(blocking::run::<Crossbeam, Threads>(row)))
}
