//! Suites: sections of rows that the same contestants do.

use super::peers::Contestant;
use super::rows::Row;

/// What `cargo xtask bench NAME` runs.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// What the names of its programs begin with.
    pub(crate) programs: &'static str,
    /// What its report is called, and begins with.
    pub(crate) title: &'static str,
    pub(crate) introduction: &'static str,
    /// Where the report of a run that left nothing out goes.
    pub(crate) page: &'static str,
    pub(crate) sections: Vec<Section>,
    /// Rows that are not there yet, and why.
    pub(crate) absent: &'static [(&'static str, &'static str)],
}

/// A part of the report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) introduction: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) chart: Chart,
}

/// What is drawn of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chart {
    Nothing,
    /// A bar for each contestant, a chart for each row.
    Bars,
    /// A line for each contestant, a chart for all rows that differ in the size at the end of their names.
    BySize,
    /// A line for each peer, whose points are numbers of workers, a chart for each row.
    ByWorkers,
}

impl Suite {
    /// All that take part in some section.
    pub(crate) fn contestants(&self) -> Vec<Contestant> {
        let mut all = Vec::new();
        for contestant in self.sections.iter().flat_map(|it| &it.contestants) {
            if !all.contains(contestant) {
                all.push(*contestant);
            }
        }
        all
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }
}

impl Section {
    /// Which of the contestants are gorge.
    pub(crate) fn ours(&self) -> impl Iterator<Item = usize> {
        (0..self.contestants.len()).filter(|at| self.contestants[*at].is_gorge())
    }

    /// Whom the contestant at `ours` is compared with.
    pub(crate) fn rivals(&self, ours: usize) -> impl Iterator<Item = usize> {
        let ours = self.contestants[ours];
        (0..self.contestants.len()).filter(move |at| ours.meets(&self.contestants[*at]))
    }
}
