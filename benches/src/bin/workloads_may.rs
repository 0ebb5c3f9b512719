//! may in `cargo xtask bench peers`, `scaling`, `latency` and `memory`.

use benches::workloads::{may, on_workers};
use std::process::ExitCode;

fn main() -> ExitCode {
    on_workers(may::run)
}
