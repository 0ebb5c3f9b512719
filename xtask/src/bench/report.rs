//! Writes the figures down: Markdown for everybody, and a summary of where gorge is behind.

use super::flags::Flags;
use super::host::Host;
use super::peers::{Contestant, Setting};
use super::programs::Programs;
use super::run::{Figures, Outcome};
use super::statistics::Spread;
use super::suite::{Section, Suite};
use super::targets::{self, Mark};
use std::collections::BTreeMap;
use std::fmt;

/// All that a report is made of.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) host: &'a Host,
    pub(crate) flags: &'a Flags,
    pub(crate) programs: &'a Programs,
    pub(crate) suite: &'a Suite,
    /// For each section what came of its rows.
    pub(crate) figures: &'a [Vec<Figures>],
    /// For each section the charts, by title, as paths from the report.
    pub(crate) charts: &'a [Vec<(String, String)>],
    /// The reports of other suites, by title, as paths from this one.
    pub(crate) others: &'a [(&'static str, String)],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_introduction(f)?;
        self.write_marks(f)?;
        for (at, (section, figures)) in self.sections().enumerate() {
            write!(f, "\n## {}\n\n{}\n", section.title, section.introduction)?;
            for (title, path) in self.charts.get(at).into_iter().flatten() {
                write!(f, "\n![{title}]({path})\n")?;
            }
            for ours in section.ours() {
                self.write_table(f, section, ours, figures)?;
            }
        }
        self.write_gaps(f)
    }
}

impl Report<'_> {
    /// The rows in which gorge is behind somebody, by the median, in which setting and by how much; how many
    /// targets are met; and whom there was no comparing with.
    pub(crate) fn summary(&self) -> String {
        let mut lines = Vec::new();
        for (section, figures) in self.every_figure() {
            for ours in section.ours() {
                let behind = behind(section, figures, ours);
                if !behind.is_empty() {
                    let setting = section.contestants[ours].setting;
                    let row = figures.name();
                    lines.push(format!("{row}: {setting}: {}\n", behind.join(", ")));
                }
            }
        }
        let mut verdict = match lines.len() {
            0 => "gorge is not behind anywhere\n".to_owned(),
            _ => format!("gorge is behind in\n{}", lines.concat()),
        };
        let marks = self.marks();
        if !marks.is_empty() {
            let met = marks
                .iter()
                .filter(|mark| mark.is_met == Some(true))
                .count();
            verdict += &format!("{met} of {} targets are met\n", marks.len());
        }
        let missing = self.programs.missing();
        let missing = missing.map(|(peer, reason)| format!("{peer} is missing: {reason}\n"));
        verdict + &missing.collect::<String>()
    }

    fn sections(&self) -> impl Iterator<Item = (&Section, &[Figures])> {
        let figures = self.figures.iter().map(Vec::as_slice);
        self.suite.sections.iter().zip(figures)
    }

    fn every_figure(&self) -> impl Iterator<Item = (&Section, &Figures)> {
        self.sections()
            .flat_map(|(section, figures)| figures.iter().map(move |it| (section, it)))
    }

    /// All targets that were measured. Suites that are about something else have none.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        if !["peers", "memory"].contains(&self.suite.name) {
            return Vec::new();
        }
        let figures = self.every_figure();
        figures
            .flat_map(|(section, figures)| targets::marks(section, figures))
            .collect()
    }

    fn write_marks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = self.marks();
        if marks.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n## Targets\n\nHow far ahead of a peer gorge is meant to be, and is, as in the tables below; and \
             figures that it is not meant to exceed.\n\n\
             | row | setting | target | found | |\n| --- | --- | --: | --: | --- |\n"
        )?;
        for mark in marks {
            let found = mark.found.as_ref().map_or("?".to_owned(), plain);
            let verdict = match mark.is_met {
                Some(true) => "met",
                Some(false) => "**not met**",
                None => "not measured",
            };
            let Mark {
                row,
                contestant,
                wanted,
                ..
            } = mark;
            writeln!(
                f,
                "| {row} | {} | {wanted} | {found} | {verdict} |",
                contestant.setting
            )?;
        }
        Ok(())
    }

    fn write_introduction(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, flags, suite) = (self.host, self.flags, self.suite);
        write!(
            f,
            "\
# {}

{} `cargo xtask bench {}` wrote this page; all
programs took turns on one machine, {} rounds for each row, and a ratio is taken between runs that followed each other.

In a table, `gorge` is its figure, the median of the rounds: nanoseconds per operation, if nothing else is said. The
other columns are **the peer's figure as a multiple of gorge's**: the median of the ratios, then the lowest and the
highest. Above one gorge is faster, or needs less; where it does not, the median is in bold. Peers with workers of
their own (`P`) have as many as gorge; those on plain threads have no limit, whatever gorge's is. What a peer does not
do has a dash, with the reason at the end.

| | |
| --- | --- |
| machine | {} × {} |
| load when it began | {} |
| kernel | {} |
| versions | {} |
| commit | {} |
| scale of the counts | {} |
| a run may take | {} s |
",
            suite.title,
            suite.introduction,
            suite.name,
            flags.rounds,
            host.processors,
            host.processor,
            host.load,
            host.kernel,
            host.versions.join(", "),
            host.commit,
            flags.scale,
            flags.time_limit.as_secs()
        )?;
        if !self.others.is_empty() {
            let link = |(title, path): &(&str, String)| format!("[{title}]({path})");
            let links: Vec<_> = self.others.iter().map(link).collect();
            write!(f, "\nSee also: {}.\n", links.join(", "))?;
        }
        Ok(())
    }

    /// The table of the contestant at `ours`, under a heading that no other section has.
    fn write_table(
        &self,
        f: &mut fmt::Formatter<'_>,
        section: &Section,
        ours: usize,
        figures: &[Figures],
    ) -> fmt::Result {
        let rivals: Vec<_> = section.rivals(ours).collect();
        let contestants = &section.contestants;
        let names: Vec<_> = rivals.iter().map(|at| contestants[*at].peer).collect();
        write!(f, "\n### {}: {}\n\n", section.title, contestants[ours])?;
        writeln!(f, "| row | count | gorge | {} |", names.join(" | "))?;
        writeln!(f, "| --- | --: | --: |{}", " --: |".repeat(names.len()))?;
        for row in figures {
            let our_outcome = &row.outcomes[ours];
            let cell = time_cell(our_outcome);
            write!(f, "| {} | {} | {cell} |", row.name(), row.count)?;
            for theirs in &rivals {
                write!(f, " {} |", ratio_cell(&row.outcomes[*theirs], our_outcome))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// Who does not do which rows, and why.
    fn write_gaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<_> = self.programs.missing().collect();
        let gaps = self.gaps();
        let fewer = self.fewer();
        let absent = self.suite.absent;
        if missing.is_empty() && gaps.is_empty() && fewer.is_empty() && absent.is_empty() {
            return Ok(());
        }
        write!(f, "\n## What was not measured\n\n")?;
        for (peer, reason) in missing {
            writeln!(f, "- {peer} is missing: {reason}")?;
        }
        for ((who, reason), rows) in gaps {
            writeln!(f, "- {who}: {reason} ({})", rows.join(", "))?;
        }
        for line in fewer {
            writeln!(f, "- {line}")?;
        }
        for (row, reason) in absent {
            writeln!(f, "- {row}: {reason}")?;
        }
        Ok(())
    }

    /// Who did less than the others of which row.
    fn fewer(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for section in &self.suite.sections {
            for row in &section.rows {
                for (peer, _) in row.fewer {
                    let argument = row.argument(peer, self.flags.scale);
                    let is_there = section.contestants.iter().any(|it| it.peer == *peer);
                    if is_there && argument < row.count.argument(self.flags.scale) {
                        lines.push(format!("{peer}: {} with {argument} at most", row.name));
                    }
                }
            }
        }
        lines.dedup();
        lines
    }

    /// Rows by who does not do them and why.
    fn gaps(&self) -> BTreeMap<(String, String), Vec<&str>> {
        let mut gaps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (section, figures) in self.every_figure() {
            for (contestant, outcome) in section.contestants.iter().zip(&figures.outcomes) {
                let key = match outcome {
                    Outcome::Unsupported(reason) => (who_refuses(contestant), reason.clone()),
                    Outcome::Failed(reason) => {
                        (contestant.to_string(), format!("FAILED, {reason}"))
                    }
                    Outcome::Times(_) | Outcome::Missing => continue,
                };
                let rows = gaps.entry(key).or_default();
                if rows.last() != Some(&&*figures.row.name) {
                    rows.push(&figures.row.name);
                }
            }
        }
        gaps
    }
}

/// What a peer does not do, it does in no setting; what gorge does, depends on the placement.
fn who_refuses(contestant: &Contestant) -> String {
    let placement = match contestant.setting {
        Setting::Homed(_) => ", homed",
        Setting::Migrating(_) => ", migrating",
        Setting::Threads | Setting::Workers(_) => "",
    };
    format!("{}{placement}", contestant.peer)
}

/// The peers that are ahead of the contestant at `ours`, and the ratio; the farthest ahead first.
fn behind(section: &Section, figures: &Figures, ours: usize) -> Vec<String> {
    let ratio = |theirs: usize| {
        let ratio = figures.outcomes[theirs].ratio_to(&figures.outcomes[ours])?;
        Some((section.contestants[theirs].peer, ratio))
    };
    let mut ahead: Vec<_> = section.rivals(ours).filter_map(ratio).collect();
    ahead.retain(|(_, ratio)| is_behind(ratio));
    ahead.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
    let ahead = ahead.iter();
    ahead
        .map(|(peer, ratio)| format!("{peer} {}", plain(ratio)))
        .collect()
}

fn is_behind(ratio: &Spread) -> bool {
    ratio.median < 1.0
}

/// Our time per message, or why there is none.
fn time_cell(outcome: &Outcome) -> String {
    match (outcome, outcome.spread()) {
        (_, Some(spread)) => format!("{:.1}", spread.median),
        (other, None) => without_figure(other).to_owned(),
    }
}

/// Their time as a multiple of ours, or why there is none.
fn ratio_cell(theirs: &Outcome, ours: &Outcome) -> String {
    match (theirs.ratio_to(ours), theirs) {
        (Some(ratio), _) if is_behind(&ratio) => {
            let text = plain(&ratio);
            let (median, rest) = text.split_once(' ').unwrap_or((&text, ""));
            format!("**{median}** {rest}")
        }
        (Some(ratio), _) => plain(&ratio),
        (None, Outcome::Times(_)) => "?".to_owned(),
        (None, other) => without_figure(other).to_owned(),
    }
}

fn without_figure(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Times(_) => "?",
        Outcome::Unsupported(_) => "–",
        Outcome::Failed(_) => "failed",
        Outcome::Missing => "missing",
    }
}

/// A ratio with its spread: `3.21 (3.02–3.40)`.
fn plain(ratio: &Spread) -> String {
    let Spread { low, median, high } = ratio;
    format!("{median:.2} ({low:.2}–{high:.2})")
}

#[cfg(test)]
mod tests;
