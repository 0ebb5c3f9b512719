//! Channels: four workloads, and the matrices of two other crates.

use crate::bench::peers;
use crate::bench::rows::Row;
use crate::bench::suite::{Chart, Section, Suite};

const CROSSBEAM_COUNT: u64 = 5_000_000;
const CROSSBEAM_WORKS: &[&str] = &["mpmc", "mpsc", "select_both", "select_rx", "seq", "spsc"];

const KANAL_COUNT: u64 = 1_000_000;
const KANAL_WORKS: &[&str] = &["mpmc", "mpsc", "seq", "spsc"];
const KANAL_LOADS: &[&str] = &["empty", "usize", "big"];

const ROOMS: &[&str] = &["bounded0", "bounded1", "boundedn", "unbounded"];

/// How many parties share the messages evenly.
const CROWD: u64 = 4;

pub(crate) fn suite() -> Suite {
    let section = |title, introduction, rows| Section {
        title,
        introduction,
        rows,
        contestants: peers::with_channels(),
        chart: Chart::Nothing,
    };
    Suite {
        name: "channels",
        programs: "channels",
        title: "Benchmarks of channels",
        introduction: "What a message costs, in gorge and in what one would use instead.",
        page: "docs/benchmarks-channels.md",
        sections: vec![
            section(
                "Workloads",
                "`pingpong`: round trips over two unbuffered channels. `prodcons`: one producer, one consumer, room \
                 for 100. `mpmc`: four and four, room for 128. `select`: a receive from either of two unbuffered \
                 channels or a third that nobody uses. tokio has no unbuffered channels; its have room for one.",
                workloads(),
            ),
            section(
                "crossbeam's matrix",
                "The rows of crossbeam-channel's benchmarks: the room of the channel, then the work. `seq`: all is \
                 sent, then received, by one party. `spsc`, `mpsc`, `mpmc`: one or four senders and receivers. \
                 `select_rx`: one party selects among four channels to receive from. `select_both`: four select \
                 where to send, four where to receive. Each message is a word.",
                crossbeam(),
            ),
            section(
                "kanal's matrix",
                "The rows of kanal's benchmarks: the same works without a select, with messages that are empty, one \
                 word, or four words.",
                kanal(),
            ),
        ],
        absent: &[],
    }
}

/// Those of the workloads that are about channels alone.
pub(super) fn workloads() -> Vec<Row> {
    vec![
        Row::times("pingpong", 2_000_000, CROWD),
        Row::times("prodcons", 10_000_000, CROWD),
        Row::times("mpmc", 4_000_000, CROWD),
        Row::times("select", 2_000_000, CROWD),
    ]
}

fn crossbeam() -> Vec<Row> {
    let pairs = pairs(CROSSBEAM_WORKS).into_iter();
    pairs
        .map(|(room, work)| Row::times(format!("{room}_{work}"), CROSSBEAM_COUNT, CROWD))
        .collect()
}

fn kanal() -> Vec<Row> {
    let mut rows = Vec::new();
    for load in KANAL_LOADS {
        for (room, work) in pairs(KANAL_WORKS) {
            let name = format!("{room}_{work}_{load}");
            rows.push(Row::times(name, KANAL_COUNT, CROWD));
        }
    }
    rows
}

/// Every kind of channel with each of `works` that it has the room for.
fn pairs(works: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let pairs = ROOMS
        .iter()
        .flat_map(|room| works.iter().map(move |work| (*room, *work)));
    pairs
        .filter(|(room, work)| *work != "seq" || ["boundedn", "unbounded"].contains(room))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matrix_has_its_rows() {
        let suite = suite();
        let counts: Vec<_> = suite.sections.iter().map(|it| it.rows.len()).collect();
        assert_eq!(counts, [4, 22, 42]);
        let is_there = |name: &str| suite.rows().any(|row| row.name == name);
        for name in [
            "mpmc",
            "boundedn_seq",
            "bounded0_select_rx",
            "unbounded_spsc_big",
        ] {
            assert!(is_there(name), "{name}");
        }
        assert!(!is_there("bounded1_seq"));
    }
}
