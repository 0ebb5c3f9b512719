//! `follow FILE [--lines N] [--poll MS] [--quiet MS]`: prints the lines that are added to a
//! file, and after each burst of them how many there were.
//!
//! ```text
//!   ticker ──► [ pipe: read what was added ] ──► [ tee ] ──────────────────────► lines
//!                                                   └──► [ map: count ] ──► [ debounce ] ──► pauses
//! ```
//!
//! | file | concept |
//! | --- | --- |
//! | `tail` | a file that grows, and is cut or replaced at times |
//! | `main` | the stages, the command line |
//!
//! It ends with an interrupt, or a request to terminate, and after `N` lines.

mod tail;

use gorge::blocking;
use gorge::channel::{Receiver, SendError, select, tick};
use gorge::context::{self, Context};
use gorge::patterns::{Edge, Outlet, debounce, map, pipe, tee};
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tail::Tail;

const USAGE: &str = "usage: follow FILE [--lines N] [--poll MS] [--quiet MS]";
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

struct Options {
    path: PathBuf,
    /// After how many lines it ends.
    lines: usize,
    poll: Duration,
    quiet: Duration,
}

/// What there is to show.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Line(String),
    /// Nothing has come for a while, after so many lines.
    Pause(usize),
}

/// Errors go through a tee, which gives everybody a clone.
type Line = Result<String, Arc<io::Error>>;

/// Shows what happens to a file until the context is done, or so many lines have come.
fn follow(
    ctx: &Context,
    options: &Options,
    mut show: impl FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    let (ctx, _stop) = ctx.with_cancel();
    let (shown, counted) = tee(&ctx, lines(&ctx, options));
    let mut count = 0;
    let counts = map(&ctx, counted, move |_| {
        count += 1;
        count
    });
    let pauses = debounce(&ctx, counts, options.quiet, Edge::Trailing);
    let mut seen = 0;
    while seen < options.lines {
        let (line, pause) = select! {
            recv(shown) -> line => (line, None),
            // Behind the lines that it is about.
            recv(pauses) -> count => match count {
                Ok(count) if count > seen => (shown.recv(), Some(count)),
                Ok(count) => {
                    show(Event::Pause(count))?;
                    continue;
                }
                Err(_) => break,
            },
        };
        match line {
            Ok(Ok(line)) => show(Event::Line(line))?,
            Ok(Err(error)) => return Err(io::Error::new(error.kind(), error)),
            Err(_) => break,
        }
        seen += 1;
        if let Some(count) = pause {
            show(Event::Pause(count))?;
        }
    }
    Ok(())
}

/// The lines that are added to the file.
fn lines(ctx: &Context, options: &Options) -> Receiver<Line> {
    let mut tail = Tail::new(options.path.clone());
    let (ticks, inner) = (tick(options.poll), ctx.clone());
    pipe(ctx, move |out| {
        loop {
            // To look at a file blocks the thread.
            let added = blocking(|| tail.read_added());
            let is_over = added.is_err();
            if send_all(out, added).is_err() || is_over {
                return;
            }
            select! {
                recv(ticks) -> _ => {}
                recv(inner.done()) -> _ => return,
            }
        }
    })
}

fn send_all(out: &Outlet<Line>, added: io::Result<Vec<String>>) -> Result<(), SendError<Line>> {
    match added {
        Ok(lines) => lines.into_iter().try_for_each(|line| out.send(Ok(line))),
        Err(error) => out.send(Err(Arc::new(error))),
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut path = None;
    let (mut lines, mut poll, mut quiet) = (usize::MAX, 100, 500);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--lines" => lines = arguments.next()?.parse().ok()?,
            "--poll" => poll = arguments.next()?.parse().ok().filter(|&ms| ms > 0)?,
            "--quiet" => quiet = arguments.next()?.parse().ok()?,
            _ if path.is_some() || argument.starts_with("--") => return None,
            _ => path = Some(argument.into()),
        }
    }
    Some(Options {
        path: path?,
        lines,
        poll: Duration::from_millis(poll),
        quiet: Duration::from_millis(quiet),
    })
}

fn print(event: Event) -> io::Result<()> {
    blocking(|| match event {
        Event::Line(line) => writeln!(io::stdout(), "{line}"),
        Event::Pause(count) => writeln!(io::stdout(), "--- {count} lines so far"),
    })
}

fn main() -> ExitCode {
    let Some(options) = parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let followed = gorge::run(|| {
        let (ctx, _guard) = context::background().with_signals([SIGINT, SIGTERM])?;
        follow(&ctx, &options, print)
    });
    match followed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closes the output early, as `head` does, knows why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("follow: {}: {error}", options.path.display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
