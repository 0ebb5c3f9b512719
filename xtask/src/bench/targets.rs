//! What gorge is meant to reach on each workload, and whether it does.
//!
//! Targets are ratios to peers in one run, and a few figures that a machine's speed does not change. They
//! hold for goroutines that migrate, and for homed ones on one worker; homed ones on two workers are not to
//! be behind Go.

use super::peers::{Contestant, GO, Setting};
use super::run::Figures;
use super::statistics::Spread;
use super::suite::Section;

const TOKIO: &str = "tokio";
const MAY: &str = "may";

/// By how much gorge is to be ahead of whom: row, part, peer, factor. Where there is no row for a peer, gorge
/// is not to be behind.
const RATIOS: &[(&str, &str, &str, f64)] = &[
    ("yield", "", GO, 4.0),
    ("spawn_seq", "", GO, 3.0),
    ("spawn_seq", "", TOKIO, 2.0),
    ("spawn_batch", "", GO, 4.0),
    ("spawn_batch", "", TOKIO, 3.0),
    ("pingpong", "", GO, 3.0),
    ("pingpong", "", TOKIO, 2.0),
    ("prodcons", "", GO, 2.3),
    ("mpmc", "", GO, 2.2),
    ("select", "", GO, 3.0),
    ("select", "", TOKIO, 1.8),
    ("skynet", "", GO, 3.0),
    ("skynet", "", TOKIO, 2.5),
    ("fib", "", GO, 4.0),
    ("fib", "", TOKIO, 2.0),
    ("sleep", "cpu", GO, 3.0),
    ("sleep", "cpu", TOKIO, 1.3),
    ("memory", "bytes", MAY, 1.0 / 0.6),
    ("syscall_pool", "", TOKIO, 2.0),
];

/// What gorge is not to exceed: row, part, limit. It holds from so many on: few goroutines would pay for all
/// that the runtime takes, and few sleeps for the longest of them.
const LIMITS: &[(&str, &str, f64)] = &[
    // 1.3 times the floor: the longest sleep, divided by their number.
    ("sleep", "", 1300.0),
    ("memory", "bytes", 4.9 * 1024.0),
    ("memory_64", "bytes", 4.4 * 1024.0),
];
const LIMITS_FROM: u64 = 100_000;

/// Parts of rows that no target is about, or on which a peer is ahead by what it is.
const WITHOUT: &[(&str, &str, &str)] = &[("memory", "bytes", GO), ("memory", "bytes", TOKIO)];

/// A target, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) row: String,
    pub(crate) contestant: Contestant,
    /// What is wanted, such as `4 × go`.
    pub(crate) wanted: String,
    /// What came out; nothing if it was not measured.
    pub(crate) found: Option<Spread>,
    pub(crate) is_met: Option<bool>,
}

/// The targets that `figures` are about, for all contestants of theirs that are gorge.
pub(crate) fn marks(section: &Section, figures: &Figures) -> Vec<Mark> {
    let mut marks = Vec::new();
    for ours in section.ours() {
        let contestant = section.contestants[ours];
        let mark = |wanted: String, found: Option<Spread>, is_met: Option<bool>| Mark {
            row: figures.name(),
            contestant,
            wanted,
            found,
            is_met,
        };
        for theirs in section.rivals(ours) {
            let peer = section.contestants[theirs].peer;
            let Some(least) = least(figures, peer, contestant.setting) else {
                continue;
            };
            let found = figures.outcomes[theirs].ratio_to(&figures.outcomes[ours]);
            let is_met = found.map(|ratio| ratio.median >= least);
            marks.push(mark(format!("{least:.2} × {peer}"), found, is_met));
        }
        if let Some(most) = most(figures) {
            let found = figures.outcomes[ours].spread();
            let is_met = found.map(|spread| spread.median <= most);
            marks.push(mark(format!("at most {most:.0}"), found, is_met));
        }
    }
    // A row that one placement does not do is the other's.
    marks.retain(|mark| mark.found.is_some());
    marks
}

/// By how much a contestant of ours in `setting` is to be ahead of `peer`.
fn least(figures: &Figures, peer: &str, setting: Setting) -> Option<f64> {
    let (row, part) = (&*figures.row.name, figures.part.name);
    // The figure that matters is the first; and no other row has targets.
    let is_main = figures.row.parts.first() == Some(figures.part);
    if !is_main || WITHOUT.contains(&(row, part, peer)) {
        return None;
    }
    if matches!(setting, Setting::Homed(procs) if procs > 1) && row != "memory" {
        return (peer == GO || row == "syscall_pool").then_some(1.0);
    }
    let named = RATIOS
        .iter()
        .find(|(of, which, whom, _)| (*of, *which, *whom) == (row, part, peer));
    Some(named.map_or(1.0, |(.., factor)| *factor))
}

fn most(figures: &Figures) -> Option<f64> {
    let (row, part) = (&*figures.row.name, figures.part.name);
    let named = LIMITS
        .iter()
        .find(|(of, which, _)| (*of, *which) == (row, part));
    named
        .filter(|_| figures.count >= LIMITS_FROM)
        .map(|(.., most)| *most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::Outcome;
    use crate::bench::suites;

    /// The marks of `row` if all of gorge's figures are `ours` and all others `theirs`.
    fn marked(row: &str, ours: f64, theirs: f64) -> Vec<String> {
        let section = &suites::named("peers").unwrap().sections[0];
        let row = section.rows.iter().find(|it| it.name == row).unwrap();
        let outcome = |it: &Contestant| match it.is_gorge() {
            true => Outcome::Times(vec![ours]),
            false => Outcome::Times(vec![theirs]),
        };
        let figures = Figures {
            row: row.clone(),
            part: &row.parts[0],
            count: row.count.argument(1.0),
            outcomes: section.contestants.iter().map(outcome).collect(),
        };
        let line = |mark: Mark| {
            let verdict = if mark.is_met == Some(true) {
                "met"
            } else {
                "not"
            };
            format!("{}: {}: {verdict}", mark.contestant.setting, mark.wanted)
        };
        marks(section, &figures).into_iter().map(line).collect()
    }

    #[test]
    fn homed_goroutines_on_two_workers_are_not_to_be_behind_go() {
        assert_eq!(
            marked("yield", 10.0, 39.0),
            [
                "homed, P=1: 4.00 × go: not",
                "homed, P=1: 1.00 × tokio: met",
                "homed, P=1: 1.00 × may: met",
                "migrating, P=1: 4.00 × go: not",
                "migrating, P=1: 1.00 × tokio: met",
                "migrating, P=1: 1.00 × may: met",
                "homed, P=2: 1.00 × go: met",
                "migrating, P=2: 4.00 × go: not",
                "migrating, P=2: 1.00 × tokio: met",
                "migrating, P=2: 1.00 × may: met",
            ]
        );
    }

    #[test]
    fn memory_is_compared_with_stacks_and_has_a_limit() {
        let marks = marked("memory", 4900.0, 8200.0);
        assert_eq!(marks.len(), 8, "{marks:?}");
        assert_eq!(marks[0], "homed, P=1: 1.67 × may: met");
        assert_eq!(marks[1], "homed, P=1: at most 5018: met");
    }

    #[test]
    fn every_ratio_and_limit_is_about_a_part_that_is_measured() {
        let suites = ["peers", "memory"].map(|name| suites::named(name).unwrap());
        let is_measured = |row: &str, part: &str| {
            suites
                .iter()
                .flat_map(|suite| suite.rows())
                .any(|it| it.name == row && it.parts.iter().any(|known| known.name == part))
        };
        for (row, part, ..) in RATIOS {
            assert!(is_measured(row, part), "{row}.{part}");
        }
        for (row, part, _) in LIMITS {
            assert!(is_measured(row, part), "{row}.{part}");
        }
    }
}
