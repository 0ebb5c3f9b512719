//! How large files, functions and lines may grow, and the table of exceptions.
//!
//! An exception raises one limit for one file. Whoever measures asks [`Limits::exceeded`], which also
//! notes what was seen; at the end [`Limits::unneeded`] reports the exceptions nothing came near.

use super::Finding;
use std::fmt;

/// File from the repository root, what is measured, the limit there, and why it is worth it.
type Exception = (&'static str, Measure, usize, &'static str);

/// Every exception there is. `cargo xtask tidy` prints it.
const EXCEPTIONS: &[Exception] = &[];

/// What has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    FileLines,
    FunctionLines,
    Columns,
}

impl Measure {
    /// The limit where no exception says otherwise.
    fn usual_limit(self) -> usize {
        match self {
            Measure::FileLines => 500,
            Measure::FunctionLines => 70,
            Measure::Columns => 120,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::FileLines => "lines in the file",
            Measure::FunctionLines => "lines in a function",
            Measure::Columns => "columns in a line",
        })
    }
}

/// The limits, and how close to each exception the files came.
#[derive(Debug)]
pub(crate) struct Limits {
    exceptions: &'static [Exception],
    /// The largest value seen for each exception.
    largest: Vec<usize>,
}

impl Limits {
    /// The limits of this repository.
    pub(crate) fn of_repository() -> Limits {
        Limits::with_exceptions(EXCEPTIONS)
    }

    fn with_exceptions(exceptions: &'static [Exception]) -> Limits {
        Limits {
            exceptions,
            largest: vec![0; exceptions.len()],
        }
    }

    /// The limit that `value` exceeds, if it does.
    pub(crate) fn exceeded(&mut self, path: &str, measure: Measure, value: usize) -> Option<usize> {
        let exception = self
            .exceptions
            .iter()
            .position(|&(place, what, ..)| place == path && what == measure);
        let limit = match exception {
            Some(at) => {
                self.largest[at] = self.largest[at].max(value);
                self.exceptions[at].2
            }
            None => measure.usual_limit(),
        };
        (value > limit).then_some(limit)
    }

    /// The exceptions whose file stays within the usual limit, or is gone.
    pub(crate) fn unneeded(&self) -> Vec<Finding> {
        let seen = self.exceptions.iter().zip(&self.largest);
        seen.filter(|&(&(_, measure, ..), &largest)| largest <= measure.usual_limit())
            .map(|(&(path, measure, ..), largest)| {
                Finding::new(
                    path,
                    1,
                    format!("the exception for {measure} is not needed, {largest} is the most"),
                    "remove its row from EXCEPTIONS in xtask/src/tidy/limits.rs",
                )
            })
            .collect()
    }
}

/// The table of exceptions, one per line.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exceptions.is_empty() {
            return writeln!(f, "exceptions: none");
        }
        writeln!(f, "exceptions:")?;
        for &(path, measure, limit, reason) in self.exceptions {
            let usual = measure.usual_limit();
            writeln!(f, "  {path}: {limit} {measure}, not {usual}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Exception] = &[("a.rs", Measure::FileLines, 600, "one table of opcodes")];

    #[test]
    fn usual_limits_hold_without_an_exception() {
        let mut limits = Limits::with_exceptions(&[]);
        assert_eq!(limits.exceeded("a.rs", Measure::FileLines, 500), None);
        assert_eq!(limits.exceeded("a.rs", Measure::FileLines, 501), Some(500));
        assert_eq!(
            limits.exceeded("a.rs", Measure::FunctionLines, 71),
            Some(70)
        );
        assert_eq!(limits.exceeded("a.rs", Measure::Columns, 121), Some(120));
    }

    #[test]
    fn an_exception_raises_one_limit_of_one_file() {
        let mut limits = Limits::with_exceptions(TABLE);
        assert_eq!(limits.exceeded("a.rs", Measure::FileLines, 600), None);
        assert_eq!(limits.exceeded("a.rs", Measure::FileLines, 601), Some(600));
        assert_eq!(limits.exceeded("b.rs", Measure::FileLines, 600), Some(500));
        assert_eq!(limits.exceeded("a.rs", Measure::Columns, 600), Some(120));
        assert_eq!(limits.unneeded(), []);
    }

    #[test]
    fn an_exception_nobody_needs_is_a_finding() {
        let mut limits = Limits::with_exceptions(TABLE);
        assert_eq!(limits.unneeded().len(), 1, "the file is gone");
        limits.exceeded("a.rs", Measure::FileLines, 500);
        let findings = limits.unneeded();
        assert_eq!(findings.len(), 1, "the file shrank");
        assert_eq!(
            findings[0].to_string(),
            "a.rs:1: the exception for lines in the file is not needed, 500 is the most — \
             remove its row from EXCEPTIONS in xtask/src/tidy/limits.rs"
        );
    }

    #[test]
    fn the_table_is_shown_with_its_reasons() {
        assert_eq!(
            Limits::with_exceptions(&[]).to_string(),
            "exceptions: none\n"
        );
        assert_eq!(
            Limits::with_exceptions(TABLE).to_string(),
            "exceptions:\n  a.rs: 600 lines in the file, not 500: one table of opcodes\n"
        );
    }
}
