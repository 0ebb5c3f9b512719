//! gorge in `cargo xtask bench peers`, `scaling`, `latency` and `memory`.

use benches::channels::peers::gorge::Place;
use benches::program;
use benches::workloads::{Job, gorge};
use std::process::ExitCode;

fn main() -> ExitCode {
    program::main(|name, count| match Place::from_environment()? {
        Place::Goroutines(setting) => {
            let figures = gorge::run(Job::parse(name, count), setting)?;
            Ok((setting.procs, figures))
        }
        Place::Threads => Err("BENCH_PLACEMENT: give homed or migrating".to_owned().into()),
    })
}
