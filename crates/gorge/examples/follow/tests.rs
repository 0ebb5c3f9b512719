//! The follower on files that grow, are cut, and are replaced.

use super::{Event, Options, follow, parse};
use gorge::context::background;
use gorge::{blocking, go};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file of one test's own, removed with its folder.
struct Log(PathBuf);

impl Log {
    fn new(name: &str) -> Log {
        let folder = std::env::temp_dir().join(format!("follow-{name}-{}", std::process::id()));
        fs::create_dir(&folder).expect("a new folder");
        let log = Log(folder.join("log"));
        fs::write(&log.0, "").expect("a new file");
        log
    }

    fn add(&self, text: &str) {
        blocking(|| {
            let file = OpenOptions::new().append(true).open(&self.0);
            file.and_then(|mut it| it.write_all(text.as_bytes()))
                .expect("it is written");
        });
    }

    fn options(&self, lines: usize, quiet_ms: u64) -> Options {
        Options {
            path: self.0.clone(),
            lines,
            poll: Duration::from_millis(1),
            quiet: Duration::from_millis(quiet_ms),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // It is no failure of the test if somebody else has removed it.
        _ = fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("/nonexistent")));
    }
}

fn line(text: &str) -> Event {
    Event::Line(text.to_owned())
}

#[test]
fn lines_are_shown_when_they_are_complete() {
    let log = Log::new("complete");
    gorge::run(|| {
        log.add("first\nsec");
        let mut events = Vec::new();
        let followed = follow(&background(), &log.options(4, 3_600_000), |event| {
            match events.len() {
                0 => log.add("ond\n"),
                1 => log.add("\nlast, \u{e4}\n"),
                _ => {}
            }
            events.push(event);
            Ok(())
        });
        followed.expect("it is readable");
        assert_eq!(
            events,
            [
                line("first"),
                line("second"),
                line(""),
                line("last, \u{e4}")
            ]
        );
    });
}

#[test]
fn a_pause_is_told_once_per_burst() {
    let log = Log::new("pause");
    gorge::run(|| {
        let mut events = Vec::new();
        log.add("a\nb\nc\n");
        let followed = follow(&background(), &log.options(5, 20), |event| {
            if event == Event::Pause(3) {
                log.add("d\n");
            }
            if event == Event::Pause(4) {
                log.add("e\n");
            }
            events.push(event);
            Ok(())
        });
        followed.expect("it is readable");
        // On a machine that is very slow a burst may have a pause in its midst.
        events.retain(|event| !matches!(event, Event::Pause(1 | 2)));
        let expected = [
            line("a"),
            line("b"),
            line("c"),
            Event::Pause(3),
            line("d"),
            Event::Pause(4),
            line("e"),
        ];
        assert_eq!(events, expected);
    });
}

#[test]
fn a_file_that_is_cut_or_replaced_is_read_from_its_begin() {
    let log = Log::new("replaced");
    gorge::run(|| {
        log.add("old, and long\n");
        let mut events = Vec::new();
        let followed = follow(&background(), &log.options(3, 3_600_000), |event| {
            match events.len() {
                0 => fs::write(&log.0, "cut\n").expect("a shorter file"),
                1 => {
                    let other = log.0.with_extension("new");
                    fs::write(&other, "another, much longer than before\n").expect("a new file");
                    fs::rename(&other, &log.0).expect("it is replaced");
                }
                _ => {}
            }
            events.push(event);
            Ok(())
        });
        followed.expect("it is readable");
        assert_eq!(
            events,
            [
                line("old, and long"),
                line("cut"),
                line("another, much longer than before")
            ]
        );
    });
}

#[test]
fn it_ends_with_its_context() {
    let log = Log::new("context");
    gorge::run(|| {
        let (ctx, guard) = background().with_cancel();
        log.add("only\n");
        let mut guard = Some(guard);
        let followed = follow(&ctx, &log.options(usize::MAX, 3_600_000), |_| {
            // As a signal would, from elsewhere.
            drop(guard.take().map(|guard| go(move || guard.cancel())));
            Ok(())
        });
        followed.expect("to be cancelled is no failure");
    });
}

#[test]
fn what_cannot_be_read_or_shown_is_told() {
    let log = Log::new("missing");
    gorge::run(|| {
        let missing = Options {
            path: log.0.with_extension("missing"),
            ..log.options(1, 1)
        };
        let followed = follow(&background(), &missing, |_| Ok(()));
        assert_eq!(followed.unwrap_err().kind(), io::ErrorKind::NotFound);
        log.add("a line\n");
        let broken = || Err(io::ErrorKind::BrokenPipe.into());
        let followed = follow(&background(), &log.options(9, 1), |_| broken());
        assert_eq!(followed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_command_line_is_understood_or_refused() {
    let parse = |text: &str| parse(text.split_whitespace().map(str::to_owned));
    let options = parse("log --lines 3 --poll 7 --quiet 0").expect("it is right");
    assert_eq!(
        (options.path.as_path(), options.lines),
        (Path::new("log"), 3)
    );
    assert_eq!(options.poll, Duration::from_millis(7));
    for wrong in [
        "",
        "a b",
        "--lines",
        "log --lines x",
        "log --poll 0",
        "log --what",
    ] {
        assert!(parse(wrong).is_none(), "{wrong}");
    }
}
