//! tokio's `mpsc` in `cargo xtask bench channels`.

use benches::channels::peers::tokio;
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_workers(|row, workers| tokio::run(*row, workers))
}
