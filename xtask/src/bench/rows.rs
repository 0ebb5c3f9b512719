//! The rows of the suite for channels, by the matrix they belong to.
//!
//! What a row's name means, the programs know; here is how many messages it takes.

/// A set of rows that get a section of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matrix {
    Workloads,
    Crossbeam,
    Kanal,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) matrix: Matrix,
    pub(crate) name: String,
    /// How many messages it sends, or round trips it makes, at scale one.
    pub(crate) count: u64,
}

const WORKLOADS: &[(&str, u64)] = &[
    ("pingpong", 2_000_000),
    ("prodcons", 10_000_000),
    ("mpmc", 4_000_000),
    ("select", 2_000_000),
];

const CROSSBEAM_COUNT: u64 = 5_000_000;
const CROSSBEAM_WORKS: &[&str] = &["mpmc", "mpsc", "select_both", "select_rx", "seq", "spsc"];

const KANAL_COUNT: u64 = 1_000_000;
const KANAL_WORKS: &[&str] = &["mpmc", "mpsc", "seq", "spsc"];
const KANAL_LOADS: &[&str] = &["empty", "usize", "big"];

const ROOMS: &[&str] = &["bounded0", "bounded1", "boundedn", "unbounded"];

impl Matrix {
    pub(crate) const ALL: [Matrix; 3] = [Matrix::Workloads, Matrix::Crossbeam, Matrix::Kanal];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Matrix::Workloads => "Workloads",
            Matrix::Crossbeam => "crossbeam's matrix",
            Matrix::Kanal => "kanal's matrix",
        }
    }

    /// What the section begins with.
    pub(crate) fn introduction(self) -> &'static str {
        match self {
            Matrix::Workloads => {
                "`pingpong`: round trips over two unbuffered channels. `prodcons`: one producer, one consumer, room \
                 for 100. `mpmc`: four and four, room for 128. `select`: a receive from either of two unbuffered \
                 channels or a third that nobody uses. tokio has no unbuffered channels; its have room for one."
            }
            Matrix::Crossbeam => {
                "The rows of crossbeam-channel's benchmarks: the room of the channel, then the work. `seq`: all is \
                 sent, then received, by one party. `spsc`, `mpsc`, `mpmc`: one or four senders and receivers. \
                 `select_rx`: one party selects among four channels to receive from. `select_both`: four select \
                 where to send, four where to receive. Each message is a word."
            }
            Matrix::Kanal => {
                "The rows of kanal's benchmarks: the same works without a select, with messages that are empty, one \
                 word, or four words."
            }
        }
    }
}

impl Row {
    /// How many messages it sends at `scale`: a multiple of four, because parties share them evenly.
    pub(crate) fn scaled(&self, scale: f64) -> u64 {
        let quarter = (self.count as f64 * scale / 4.0).round() as u64;
        quarter.max(1) * 4
    }
}

/// Every row there is.
pub(crate) fn all() -> Vec<Row> {
    let row = |matrix, name, count| Row {
        matrix,
        name,
        count,
    };
    let mut rows = Vec::new();
    for &(name, count) in WORKLOADS {
        rows.push(row(Matrix::Workloads, name.to_owned(), count));
    }
    for (room, work) in pairs(CROSSBEAM_WORKS) {
        rows.push(row(
            Matrix::Crossbeam,
            format!("{room}_{work}"),
            CROSSBEAM_COUNT,
        ));
    }
    for load in KANAL_LOADS {
        for (room, work) in pairs(KANAL_WORKS) {
            rows.push(row(
                Matrix::Kanal,
                format!("{room}_{work}_{load}"),
                KANAL_COUNT,
            ));
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
    use std::collections::BTreeSet;

    #[test]
    fn every_matrix_has_its_rows() {
        let rows = all();
        let count = |matrix| rows.iter().filter(|row| row.matrix == matrix).count();
        assert_eq!(Matrix::ALL.map(count), [4, 22, 42]);
        let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), rows.len());
        for name in [
            "mpmc",
            "boundedn_seq",
            "bounded0_select_rx",
            "unbounded_spsc_big",
        ] {
            assert!(names.contains(&name.to_owned()), "{name}");
        }
        assert!(!names.contains(&"bounded1_seq".to_owned()));
    }

    #[test]
    fn scaled_counts_are_multiples_of_four() {
        let row = &all()[0];
        assert_eq!(row.scaled(1.0), 2_000_000);
        assert_eq!(row.scaled(0.000_013), 28);
        assert_eq!(row.scaled(1e-9), 4);
    }
}
