//! Reports of made-up figures.

use super::*;
use crate::bench::peers;
use crate::bench::rows::Row;
use crate::bench::suites;

fn host() -> Host {
    Host {
        processor: "AMD EPYC".to_owned(),
        processors: 2,
        kernel: "6.18".to_owned(),
        load: "0.10".to_owned(),
        versions: vec!["rustc 1.95.0".to_owned(), "go1.27.3".to_owned()],
        commit: "0123456789ab".to_owned(),
    }
}

/// Those of `names`, in that order.
fn contestants(names: &[&str]) -> Vec<Contestant> {
    let all = || peers::with_channels().into_iter().chain(peers::runtimes());
    let find = |name: &&str| all().find(|it| it.to_string() == **name);
    names.iter().map(|name| find(name).unwrap()).collect()
}

fn figures(name: &str, outcomes: Vec<Outcome>) -> Figures {
    let row = Row::times(name, 400, 4);
    Figures {
        part: &row.parts[0],
        row,
        count: 400,
        outcomes,
    }
}

fn times(times: &[f64]) -> Outcome {
    Outcome::Times(times.to_vec())
}

/// The report of a suite, and its summary.
fn report_of(suite: &Suite, figures: &[Vec<Figures>], programs: &Programs) -> (String, String) {
    let (host, flags) = (host(), Flags::default());
    let report = Report {
        host: &host,
        flags: &flags,
        programs,
        suite,
        figures,
        charts: &[vec![("a chart".to_owned(), "benchmarks/a.svg".to_owned())]],
        others: &[(
            "Benchmarks of channels",
            "benchmarks-channels.md".to_owned(),
        )],
    };
    (report.to_string(), report.summary())
}

/// The suite for channels with the sections of these titles, in which these take part.
fn suite(titles: &[&str], contestants: &[Contestant]) -> Suite {
    let mut suite = suites::named("channels").unwrap();
    suite
        .sections
        .retain(|section| titles.contains(&section.title));
    for section in &mut suite.sections {
        section.contestants = contestants.to_vec();
    }
    suite
}

/// The report of one section, and its summary.
fn report(
    contestants: &[Contestant],
    figures: Vec<Figures>,
    programs: &Programs,
) -> (String, String) {
    report_of(&suite(&["Workloads"], contestants), &[figures], programs)
}

fn rows_of(report: &str, start: &str) -> Vec<String> {
    let lines = report.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_table_has_our_time_and_the_ratios_of_the_peers_we_meet() {
    let contestants = contestants(&["gorge, homed, P=1", "go, P=1", "go, P=2", "flume, threads"]);
    let outcomes = vec![
        times(&[10.0, 20.0, 10.0]),
        times(&[30.0, 80.0, 31.0]),
        times(&[1.0, 1.0, 1.0]),
        times(&[9.0, 19.0, 8.0]),
    ];
    let figures = vec![figures("pingpong", outcomes)];
    let (report, summary) = report(&contestants, figures, &Programs::default());
    assert_eq!(
        rows_of(&report, "| row"),
        ["| row | count | gorge | go | flume |"]
    );
    assert_eq!(
        rows_of(&report, "| pingpong"),
        ["| pingpong | 400 | 10.0 | 3.10 (3.00–4.00) | **0.90** (0.80–0.95) |"]
    );
    assert_eq!(
        summary,
        "gorge is behind in\n\
         pingpong: homed, P=1: flume 0.90 (0.80–0.95)\n"
    );
    assert!(!report.contains("not measured"));
}

#[test]
fn the_summary_begins_with_who_is_farthest_ahead() {
    let contestants = contestants(&["gorge, threads", "crossbeam, threads", "flume, threads"]);
    let outcomes = vec![times(&[10.0]), times(&[9.0]), times(&[5.0])];
    let figures = vec![figures("mpmc", outcomes)];
    let (_, summary) = report(&contestants, figures, &Programs::default());
    assert_eq!(
        summary,
        "gorge is behind in\n\
         mpmc: threads: flume 0.50 (0.50–0.50), crossbeam 0.90 (0.90–0.90)\n"
    );
}

#[test]
fn what_was_not_measured_is_told_with_its_reason() {
    let names = [
        "gorge, homed, P=1",
        "go, P=1",
        "tokio, P=1",
        "tokio, P=2",
        "flume, threads",
    ];
    let contestants = contestants(&names);
    let outcomes = || {
        vec![
            times(&[10.0]),
            Outcome::Missing,
            Outcome::Unsupported("one receiver".to_owned()),
            Outcome::Unsupported("one receiver".to_owned()),
            Outcome::Failed("did not end within 60 s".to_owned()),
        ]
    };
    let figures = ["mpmc", "bounded1_mpmc"].map(|name| figures(name, outcomes()));
    let figures = figures.into();
    let programs = Programs::without("go", "no network");
    let (report, summary) = report(&contestants, figures, &programs);
    assert_eq!(
        rows_of(&report, "| mpmc"),
        ["| mpmc | 400 | 10.0 | missing | – | failed |"]
    );
    assert_eq!(
        rows_of(&report, "- "),
        [
            "- go is missing: no network",
            "- flume, threads: FAILED, did not end within 60 s (mpmc, bounded1_mpmc)",
            "- tokio: one receiver (mpmc, bounded1_mpmc)",
        ]
    );
    assert_eq!(
        summary,
        "gorge is not behind anywhere\ngo is missing: no network\n"
    );
}

#[test]
fn a_failure_of_ours_is_told_and_compared_with_nobody() {
    let contestants = contestants(&["gorge, threads", "kanal, threads"]);
    let outcomes = vec![Outcome::Failed("exit".to_owned()), times(&[10.0])];
    let figures = vec![figures("prodcons", outcomes)];
    let (report, _) = report(&contestants, figures, &Programs::default());
    assert_eq!(
        rows_of(&report, "| prodcons"),
        ["| prodcons | 400 | failed | ? |"]
    );
    assert_eq!(
        rows_of(&report, "- "),
        ["- gorge, threads: FAILED, exit (prodcons)"]
    );
}

#[test]
fn there_is_a_section_per_matrix_that_was_run() {
    let contestants = contestants(&["gorge, threads", "kanal, threads"]);
    let outcomes = || vec![times(&[10.0]), times(&[10.0])];
    let figures = ["prodcons", "bounded1_spsc_big"].map(|name| vec![figures(name, outcomes())]);
    let suite = suite(&["Workloads", "kanal's matrix"], &contestants);
    let (report, _) = report_of(&suite, &figures, &Programs::default());
    assert_eq!(
        rows_of(&report, "#"),
        [
            "# Benchmarks of channels",
            "## Workloads",
            "### Workloads: gorge, threads",
            "## kanal's matrix",
            "### kanal's matrix: gorge, threads",
        ]
    );
    for fact in [
        "2 × AMD EPYC",
        "6.18",
        "rustc 1.95.0, go1.27.3",
        "0123456789ab",
        "\n![a chart](benchmarks/a.svg)\n",
        "[Benchmarks of channels](benchmarks-channels.md)",
    ] {
        assert!(report.contains(fact), "{fact}");
    }
}

#[test]
fn targets_are_marked_and_rows_that_are_not_there_named() {
    let mut suite = suites::named("peers").unwrap();
    suite.sections[0].contestants = contestants(&["gorge, migrating, P=1", "go, P=1", "may, P=1"]);
    let outcomes = vec![times(&[10.0]), times(&[39.0]), times(&[11.0])];
    let figures = [vec![figures("yield", outcomes)]];
    let (report, summary) = report_of(&suite, &figures, &Programs::default());
    assert_eq!(
        rows_of(&report, "| yield | migrating"),
        [
            "| yield | migrating, P=1 | 4.00 × go | 3.90 (3.90–3.90) | **not met** |",
            "| yield | migrating, P=1 | 1.00 × may | 1.10 (1.10–1.10) | met |",
        ]
    );
    assert!(summary.ends_with("1 of 2 targets are met\n"), "{summary}");
    assert_eq!(
        rows_of(&report, "- "),
        [
            "- may: fib with 20 at most",
            "- may: sleep with 20000 at most",
            "- may: memory with 30000 at most",
            "- echo: not there yet: gorge has no sockets of its own",
            "- http: not there yet: gorge has no sockets of its own",
        ]
    );
}
