//! kanal's futures in `cargo xtask bench channels`.

use benches::channels::peers::kanal::KanalAsync;
use benches::channels::{program, tasks};
use std::process::ExitCode;

fn main() -> ExitCode {
    program::on_workers(|row, workers| {
        tasks::on_workers(workers, tasks::run_shared::<KanalAsync>(*row))
    })
}
