//! The pipeline: who passes what to whom, and how it ends.
//!
//! * At its natural end the walk runs dry, and each stage ends with its input.
//! * When nobody reads the output any more, the context is cancelled: digesting
//!   stops after the bufferful at hand, and the other stages at once.
//! * When a goroutine panics, its panic goes on here, and the context is cancelled.

use crate::batch::Batches;
use crate::digest::digest;
use crate::order::InOrder;
use crate::print::Printer;
use crate::walk::Walk;
use crate::window::Window;
use gorge::blocking;
use gorge::context::background;
use gorge::patterns::{fan_in, fan_out, generate};
use std::io::{self, Write};

/// Enough that a large file does not hold up those who digest the next ones.
const WINDOW_MIN: usize = 64;

/// Prints the digests of all files of the walk, computed in `jobs` goroutines.
/// Returns whether all went well; about what did not there were complaints.
pub(crate) fn run(walk: Walk, jobs: Option<usize>) -> bool {
    match print_digests(walk, jobs.unwrap_or_else(gorge::max_procs)) {
        Ok(all_well) => all_well,
        // Whoever closes the output early, as `head` does, knows why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(error) => {
            // Where could one complain that complaining fails?
            let complaint = format!("checksum: cannot write the output: {error}");
            let _ = blocking(|| writeln!(io::stderr(), "{complaint}"));
            false
        }
    }
}

fn print_digests(walk: Walk, jobs: usize) -> io::Result<bool> {
    let mut printer = Printer::new()?;
    let window = WINDOW_MIN.max(4 * jobs);
    // Dropping the guard, on every way out of here, cancels the context.
    let (ctx, _stop) = background().with_cancel();

    let batches = generate(&ctx, Batches::new(walk, Window::new(window)));
    let answers = fan_out(&ctx, batches, jobs, {
        let ctx = ctx.clone();
        move |batch| digest(&ctx, batch)
    });
    let mut is_complete = false;
    for answer in InOrder::new(fan_in(&ctx, answers), window) {
        printer.print(&answer)?;
        is_complete = answer.is_last;
    }

    printer.finish()?;
    Ok(is_complete && !printer.has_complained())
}
