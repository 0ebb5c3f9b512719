//! Writes the figures down: Markdown for everybody, and a summary of where gorge is behind.

use super::flags::Flags;
use super::host::Host;
use super::peers::Contestant;
use super::programs::Programs;
use super::rows::Matrix;
use super::run::{Figures, Outcome};
use super::statistics::Spread;
use std::collections::BTreeMap;
use std::fmt;

/// All that a report is made of.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) host: &'a Host,
    pub(crate) flags: &'a Flags,
    pub(crate) programs: &'a Programs,
    pub(crate) contestants: &'a [Contestant],
    pub(crate) figures: &'a [Figures],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_introduction(f)?;
        for matrix in Matrix::ALL {
            let figures = self.figures.iter().filter(|it| it.row.matrix == matrix);
            let figures: Vec<_> = figures.collect();
            if !figures.is_empty() {
                write!(f, "\n## {}\n\n{}\n", matrix.title(), matrix.introduction())?;
                for ours in self.ours() {
                    self.write_table(f, matrix, ours, &figures)?;
                }
            }
        }
        self.write_gaps(f)
    }
}

impl Report<'_> {
    /// The rows in which gorge is behind somebody, by the median, in which setting and by how much; and
    /// whom there was no comparing with.
    pub(crate) fn summary(&self) -> String {
        let mut lines = Vec::new();
        for figures in self.figures {
            for ours in self.ours() {
                let behind = self.behind(figures, ours);
                if !behind.is_empty() {
                    let (row, setting) = (&figures.row.name, self.contestants[ours].setting);
                    lines.push(format!("{row}: {setting}: {}\n", behind.join(", ")));
                }
            }
        }
        let missing = self.programs.missing();
        let missing = missing.map(|(peer, reason)| format!("{peer} is missing: {reason}\n"));
        let verdict = match lines.len() {
            0 => "gorge is not behind anywhere\n".to_owned(),
            _ => format!("gorge is behind in\n{}", lines.concat()),
        };
        verdict + &missing.collect::<String>()
    }

    /// The peers that are ahead of the contestant at `ours`, and the ratio; the farthest ahead first.
    fn behind(&self, figures: &Figures, ours: usize) -> Vec<String> {
        let ratio = |theirs: usize| {
            let ratio = figures.outcomes[theirs].ratio_to(&figures.outcomes[ours])?;
            Some((self.contestants[theirs].peer, ratio))
        };
        let mut ahead: Vec<_> = self.rivals(ours).filter_map(ratio).collect();
        ahead.retain(|(_, ratio)| is_behind(ratio));
        ahead.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        let ahead = ahead.iter();
        ahead
            .map(|(peer, ratio)| format!("{peer} {}", plain(ratio)))
            .collect()
    }

    /// Which of the contestants are gorge.
    fn ours(&self) -> impl Iterator<Item = usize> {
        (0..self.contestants.len()).filter(|at| self.contestants[*at].is_gorge())
    }

    /// Whom the contestant at `ours` is compared with.
    fn rivals(&self, ours: usize) -> impl Iterator<Item = usize> {
        let ours = self.contestants[ours];
        (0..self.contestants.len()).filter(move |at| ours.meets(&self.contestants[*at]))
    }

    fn write_introduction(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, flags) = (self.host, self.flags);
        write!(
            f,
            "\
# Benchmarks

What a message costs, in gorge and in what one would use instead. `cargo xtask bench channels` wrote this page; all
programs took turns on one machine, {} rounds for each row, and a ratio is taken between runs that followed each other.

In a table, `ns` is gorge's time per message (for `pingpong` per round trip), the median of the rounds. The other
columns are **the peer's time as a multiple of gorge's**: the median of the ratios, then the lowest and the highest.
Above one gorge is faster; where it is slower, the median is in bold. Peers with workers of their own (`P`) have as
many as gorge; those on plain threads have no limit, whatever gorge's is. A peer that does not do a row has a dash,
with the reason at the end.

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
            flags.rounds,
            host.processors,
            host.processor,
            host.load,
            host.kernel,
            host.versions.join(", "),
            host.commit,
            flags.scale,
            flags.time_limit.as_secs()
        )
    }

    /// The table of the contestant at `ours`, under a heading that no other matrix has.
    fn write_table(
        &self,
        f: &mut fmt::Formatter<'_>,
        matrix: Matrix,
        ours: usize,
        figures: &[&Figures],
    ) -> fmt::Result {
        let rivals: Vec<_> = self.rivals(ours).collect();
        let names: Vec<_> = rivals.iter().map(|at| self.contestants[*at].peer).collect();
        let title = matrix.title();
        write!(f, "\n### {title}: {}\n\n", self.contestants[ours])?;
        writeln!(f, "| row | messages | ns | {} |", names.join(" | "))?;
        writeln!(f, "| --- | --: | --: |{}", " --: |".repeat(names.len()))?;
        for row in figures {
            let our_outcome = &row.outcomes[ours];
            write!(
                f,
                "| {} | {} | {} |",
                row.row.name,
                row.count,
                time_cell(our_outcome)
            )?;
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
        if missing.is_empty() && gaps.is_empty() {
            return Ok(());
        }
        write!(f, "\n## What was not measured\n\n")?;
        for (peer, reason) in missing {
            writeln!(f, "- {peer} is missing: {reason}")?;
        }
        for ((who, reason), rows) in gaps {
            writeln!(f, "- {who}: {reason} ({})", rows.join(", "))?;
        }
        Ok(())
    }

    /// Rows by who does not do them and why. What a peer does not do, it does in no setting; what
    /// failed, failed in one.
    fn gaps(&self) -> BTreeMap<(String, String), Vec<&str>> {
        let mut gaps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for figures in self.figures {
            for (contestant, outcome) in self.contestants.iter().zip(&figures.outcomes) {
                let key = match outcome {
                    Outcome::Unsupported(reason) => (contestant.peer.to_owned(), reason.clone()),
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
