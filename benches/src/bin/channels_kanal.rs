//! kanal in `cargo xtask bench channels`.

use benches::channels::blocking;
use benches::channels::peers::{Threads, kanal::Kanal};
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_threads(blocking::run_plain::<Kanal, Threads>)
}
