//! What a check reports: a place, what is wrong there, and what to do about it.
//!
//! A check collects all its findings before it says anything, so one run shows everything there is
//! to mend.

use std::fmt;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, from the repository root.
    pub(crate) path: String,
    /// The line, counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn new(
        path: &str,
        line: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            path: path.to_owned(),
            line,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} — {}",
            self.path, self.line, self.problem, self.remedy
        )
    }
}

/// The outcome of a whole check: it passed if there are no findings.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What was looked at, such as `41 files`.
    pub(crate) scope: String,
    /// Everything there is to mend, by path and line.
    pub(crate) findings: Vec<Finding>,
}

impl Verdict {
    pub(crate) fn new(scope: String, mut findings: Vec<Finding>) -> Verdict {
        findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        Verdict { scope, findings }
    }

    pub(crate) fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        write!(f, "{}, {} to mend", self.scope, self.findings.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_place_problem_and_remedy() {
        let finding = Finding::new("src/lib.rs", 7, "a tab", "use spaces");
        assert_eq!(finding.to_string(), "src/lib.rs:7: a tab — use spaces");
    }

    #[test]
    fn a_verdict_lists_findings_by_path_and_line() {
        let verdict = Verdict::new(
            "2 files".to_owned(),
            vec![
                Finding::new("b.rs", 1, "p", "r"),
                Finding::new("a.rs", 9, "p", "r"),
                Finding::new("a.rs", 2, "p", "r"),
            ],
        );
        assert!(!verdict.passed());
        assert_eq!(
            verdict.to_string(),
            "a.rs:2: p — r\na.rs:9: p — r\nb.rs:1: p — r\n2 files, 3 to mend"
        );
    }
}
