//! tokio in `cargo xtask bench peers`, `scaling`, `latency` and `memory`.

use benches::workloads::{on_workers, tokio};
use std::process::ExitCode;

fn main() -> ExitCode {
    on_workers(tokio::run)
}
