//! Writes the figures down for machines: JSON with every value of every round.

use super::report::Report;
use super::run::{Figures, Outcome};
use super::statistics::Spread;
use super::suite::Section;
use super::targets::Mark;
use serde_json::{Value, json};

/// All of a report's figures.
pub(crate) fn json(report: &Report<'_>) -> Value {
    let host = report.host;
    let sections = report.suite.sections.iter().zip(report.figures);
    let sections = sections.map(|(section, figures)| {
        let rows = figures.iter().map(|it| row(section, it));
        json!({ "title": section.title, "rows": rows.collect::<Vec<_>>() })
    });
    let missing = report.programs.missing();
    let missing = missing.map(|(peer, reason)| json!({ "peer": peer, "reason": reason }));
    json!({
        "suite": report.suite.name,
        "machine": { "processor": host.processor, "processors": host.processors, "load": host.load },
        "kernel": host.kernel,
        "versions": host.versions,
        "commit": host.commit,
        "rounds": report.flags.rounds,
        "scale": report.flags.scale,
        "sections": sections.collect::<Vec<_>>(),
        "targets": report.marks().iter().map(mark).collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
    })
}

fn row(section: &Section, figures: &Figures) -> Value {
    let outcomes = || section.contestants.iter().zip(&figures.outcomes);
    let contestants = outcomes().enumerate().map(|(at, (contestant, outcome))| {
        let mut value = json!({
            "peer": contestant.peer,
            "setting": contestant.setting.to_string(),
            "pinned": contestant.pinned,
        });
        match outcome {
            Outcome::Times(values) => {
                value["values"] = json!(values);
                value["spread"] = outcome.spread().map_or(Value::Null, spread);
            }
            Outcome::Unsupported(reason) => value["unsupported"] = json!(reason),
            Outcome::Failed(reason) => value["failed"] = json!(reason),
            Outcome::Missing => value["missing"] = json!(true),
        }
        if contestant.is_gorge() {
            value["ratios"] = ratios(section, figures, at);
        }
        value
    });
    json!({
        "row": figures.row.name,
        "part": figures.part.name,
        "count": figures.count,
        "contestants": contestants.collect::<Vec<_>>(),
    })
}

/// The figures of the rivals of the contestant at `ours`, as multiples of its.
fn ratios(section: &Section, figures: &Figures, ours: usize) -> Value {
    let rivals = section.rivals(ours).filter_map(|theirs| {
        let ratio = figures.outcomes[theirs].ratio_to(&figures.outcomes[ours])?;
        Some((section.contestants[theirs].peer.to_owned(), spread(ratio)))
    });
    Value::Object(rivals.collect())
}

fn spread(spread: Spread) -> Value {
    json!({ "low": spread.low, "median": spread.median, "high": spread.high })
}

fn mark(mark: &Mark) -> Value {
    json!({
        "row": mark.row,
        "setting": mark.contestant.setting.to_string(),
        "target": mark.wanted,
        "found": mark.found.map_or(Value::Null, spread),
        "met": mark.is_met,
    })
}
