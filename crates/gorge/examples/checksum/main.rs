//! `checksum [--jobs N] [--migrating] PATH...`: the SHA-256 of every file below
//! the paths, printed as `sha256sum` does, by a pipeline of goroutines.
//!
//! ```text
//!   walk ──batches──► read + digest ──┐
//!    ▲           ├──► read + digest ──┼──► in order ──► print
//!    │           └──► read + digest ──┘        │
//!    └──────────────── tickets ◄───────────────┘
//! ```
//!
//! | file | concept |
//! | --- | --- |
//! | `args` | the command line |
//! | `walk` | the files below the paths, in the order of the output |
//! | `batch` | as many of them as are worth one errand to the disk |
//! | `window` | tickets: how far the walk may be ahead of the output |
//! | `read` | the contents of a batch, a bufferful at a time |
//! | `digest` | a batch becomes lines |
//! | `line` | the format of a line |
//! | `complaint` | the format of a complaint |
//! | `order` | the first shall be first again |
//! | `print` | the lines and complaints go out |
//! | `progress` | what a terminal shows meanwhile |
//! | `pipeline` | all of it, connected |
//!
//! Everything that touches the file system or the terminal blocks its thread, so
//! it happens inside of [`gorge::blocking`]; goroutines wait for channels only.
//! Memory is bounded: by the tickets, by one buffer per digesting goroutine, and
//! by the largest directory, whose names are sorted in memory.

mod args;
mod batch;
mod complaint;
mod digest;
mod line;
mod order;
mod pipeline;
mod print;
mod progress;
mod read;
mod walk;
mod window;

use args::{Command, Options};
use gorge::{BuildError, Runtime};
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use walk::Walk;

/// Some file or directory could not be read, or the output not be written.
const FAILURE: u8 = 1;
/// The command line or the environment is wrong; nothing was done.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    let options = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => return help(),
        Err(error) => return misuse(&format!("checksum: {error} (try --help)")),
    };
    let walk = match Walk::of(&options.paths) {
        Ok(walk) => walk,
        Err(complaint) => return misuse(&complaint),
    };
    let runtime = match runtime(&options) {
        Ok(runtime) => runtime,
        Err(error) => return misuse(&format!("checksum: {error}")),
    };
    if runtime.run(|| pipeline::run(walk, options.jobs)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    }
}

fn runtime(options: &Options) -> Result<Runtime, BuildError> {
    let builder = Runtime::builder().thread_name("checksum");
    let builder = if options.migrating {
        // SAFETY: the goroutines of this program are `main`'s closure and the
        // stages of the pipeline. Across a park point (a channel operation, or
        // the entry of `blocking`) they hold paths, buffers, files, hashers and
        // ends of channels: values that are bound to no thread. The libraries
        // they call use thread-locals and locks only within calls that do not
        // park: std's and indicatif's output happens inside of `blocking`, on
        // threads of the pool, and sha2 computes.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build()
}

fn help() -> ExitCode {
    // Nobody is there to be told that this failed.
    let _ = io::stdout().write_all(args::USAGE.as_bytes());
    ExitCode::SUCCESS
}

fn misuse(message: &str) -> ExitCode {
    // As above.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(MISUSE)
}
