//! Every peer does every row, or says why not.

use super::peers::gorge::Place;
use super::peers::{Crossbeam, Threads, flume, gorge::Gorge, kanal, tokio};
use super::row::Load;
use super::{Row, Unsupported, Work, blocking, program, tasks};
use crate::SETTINGS;
use std::time::Duration;

const ROOMS: [&str; 4] = ["bounded0", "bounded1", "boundedn", "unbounded"];
const SELECTS: [&str; 2] = ["select_rx", "select_both"];

/// All rows, with a few messages.
fn rows() -> Vec<Row> {
    let mut names: Vec<String> = ["pingpong", "prodcons", "mpmc", "select"]
        .map(str::to_owned)
        .into();
    for room in ROOMS {
        names.extend(SELECTS.map(|work| format!("{room}_{work}")));
        for load in ["", "_empty", "_usize", "_big"] {
            names.extend(["spsc", "mpsc", "mpmc"].map(|work| format!("{room}_{work}{load}")));
            if room == "boundedn" || room == "unbounded" {
                names.push(format!("{room}_seq{load}"));
            }
        }
    }
    let row = |name: &String| Row::parse(name, 400).unwrap_or_else(|| panic!("{name}"));
    names.iter().map(row).collect()
}

fn is_select(row: &Row) -> bool {
    matches!(
        row.work,
        Work::SelectRx | Work::SelectBoth | Work::SelectThree
    )
}

/// Runs all rows, as [`run_rows`].
fn run_all(run: impl Fn(&Row) -> Result<Duration, Unsupported>, wanted: impl Fn(&Row) -> bool) {
    run_rows(rows(), run, wanted);
}

/// Runs `rows`; `wanted` says which of them the peer must do.
fn run_rows(
    rows: Vec<Row>,
    run: impl Fn(&Row) -> Result<Duration, Unsupported>,
    wanted: impl Fn(&Row) -> bool,
) {
    for row in rows {
        assert_eq!(run(&row).is_ok(), wanted(&row), "{row:?}");
    }
}

#[test]
fn a_name_says_work_room_and_message() {
    let row = Row::parse("boundedn_mpsc_big", 12).unwrap();
    assert_eq!((row.work, row.room), (Work::Mpsc, Some(12)));
    assert_eq!((row.load, row.count), (Load::Big, 12));
    let row = Row::parse("unbounded_select_both", 12).unwrap();
    assert_eq!((row.work, row.room), (Work::SelectBoth, None));
    assert_eq!(Row::parse("mpmc", 12).unwrap().room, Some(128));
    for name in [
        "",
        "spsc",
        "bounded2_spsc",
        "bounded1_spsc_huge",
        "bounded1_seq",
        "bounded0_x",
    ] {
        assert_eq!(Row::parse(name, 12), None, "{name}");
    }
}

#[test]
fn a_command_line_is_a_row_and_a_multiple_of_four() {
    assert_eq!(program::parse("pingpong", 8).unwrap().count, 8);
    let unknown = program::parse("ping", 8).unwrap_err();
    assert_eq!(unknown, "there is no row `ping`");
    assert!(program::parse("pingpong", 6).is_err());
}

#[test]
fn gorge_does_all_rows_on_goroutines() {
    for setting in SETTINGS {
        run_all(|row| Ok(Place::Goroutines(setting).run(row)), |_| true);
    }
}

#[test]
fn gorge_and_crossbeam_do_all_rows_on_threads() {
    run_all(|row| Ok(blocking::run::<Gorge, Threads>(row)), |_| true);
    run_all(|row| Ok(blocking::run::<Crossbeam, Threads>(row)), |_| true);
}

#[test]
fn flume_and_kanal_do_all_rows_without_a_select_on_threads() {
    // flume's selects lose messages now and then.
    run_all(blocking::run_plain::<flume::Flume, Threads>, |row| {
        !is_select(row)
    });
    run_all(blocking::run_plain::<kanal::Kanal, Threads>, |row| {
        !is_select(row)
    });
}

#[test]
fn futures_do_the_rows_that_their_channels_allow() {
    for workers in [1, 2] {
        run_all(
            |row| tokio::run(*row, workers),
            |row| match row.work {
                Work::Mpmc | Work::SelectBoth => false,
                Work::PingPong | Work::SelectThree => true,
                _ => row.room != Some(0),
            },
        );
        let mut rows = rows();
        // flume can lose a wake-up there, see its file.
        rows.retain(|row| workers == 1 || row.work != Work::Mpmc);
        run_rows(
            rows,
            |row| flume::run_async(*row, workers),
            |row| row.work != Work::SelectBoth,
        );
        run_all(
            |row| tasks::on_workers(workers, tasks::run_shared::<kanal::KanalAsync>(*row)),
            |row| !is_select(row),
        );
    }
}
