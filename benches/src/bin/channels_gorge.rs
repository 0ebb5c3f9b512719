//! gorge in `cargo xtask bench channels`.

use benches::channels::peers::gorge::Place;
use benches::channels::program;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::main(|row| {
        let place = Place::from_environment()?;
        Ok((place.procs(), place.run(row)))
    })
}
