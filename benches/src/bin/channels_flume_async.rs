//! flume's futures in `cargo xtask bench channels`.

use benches::channels::peers::flume;
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_workers(|row, workers| flume::run_async(*row, workers))
}
