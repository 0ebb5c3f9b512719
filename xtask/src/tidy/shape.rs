//! The shape of a file: its first line, its size, its white space.
//!
//! White space is checked in every text file; the rest holds for Rust.

use super::Finding;
use super::functions::functions;
use super::limits::{Limits, Measure};
use super::scanner::Token;

/// No tabs, no trailing white space, one newline at the end.
pub(crate) fn check_white_space(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.contains('\t') {
            findings.push(Finding::new(path, number, "a tab", "use spaces"));
        }
        if line.ends_with(char::is_whitespace) {
            let problem = "white space at the end of the line";
            findings.push(Finding::new(path, number, problem, "remove it"));
        }
    }
    let last = text.lines().count();
    if !text.is_empty() && !text.ends_with('\n') {
        let problem = "no newline at the end of the file";
        findings.push(Finding::new(path, last, problem, "add one"));
    }
    if text.ends_with("\n\n") {
        let problem = "empty lines at the end of the file";
        findings.push(Finding::new(path, last, problem, "remove them"));
    }
    findings
}

/// A Rust file says on its first line what it does.
pub(crate) fn check_first_line(path: &str, text: &str) -> Option<Finding> {
    let problem = "the first line does not start with `//!`";
    let remedy = "say there what the file does";
    (!text.starts_with("//!")).then(|| Finding::new(path, 1, problem, remedy))
}

/// The lengths of a Rust file, its functions and its lines.
pub(crate) fn check_size(
    path: &str,
    text: &str,
    tokens: &[Token<'_>],
    limits: &mut Limits,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if let Some(limit) = limits.exceeded(path, Measure::FileLines, lines) {
        let problem = format!("the file has {lines} lines, more than {limit}");
        let remedy = "give the second concept that moved in a file of its own";
        findings.push(Finding::new(path, limit + 1, problem, remedy));
    }
    for function in functions(tokens) {
        if let Some(limit) = limits.exceeded(path, Measure::FunctionLines, function.lines) {
            let (name, lines) = (function.name, function.lines);
            let problem = format!("fn {name} has {lines} lines, more than {limit}");
            findings.push(Finding::new(path, function.line, problem, "split it"));
        }
    }
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        if let Some(limit) = limits.exceeded(path, Measure::Columns, columns) {
            let problem = format!("the line has {columns} columns, more than {limit}");
            findings.push(Finding::new(path, number, problem, "break it"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::scanner::tokens;

    fn texts(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        findings.into_iter().map(|it| it.to_string()).collect()
    }

    fn sizes(text: &str) -> Vec<String> {
        let limits = &mut Limits::of_repository();
        texts(check_size("f.rs", text, &tokens(text), limits))
    }

    #[test]
    fn clean_white_space_passes() {
        assert_eq!(check_white_space("f.md", "# a\n\nb\n"), []);
        assert_eq!(check_white_space("f.md", ""), []);
    }

    #[test]
    fn tabs_and_trailing_white_space_are_found_on_their_lines() {
        assert_eq!(
            texts(check_white_space("f.md", "a\tb\nc \nd\r\n")),
            [
                "f.md:1: a tab — use spaces",
                "f.md:2: white space at the end of the line — remove it",
                "f.md:3: white space at the end of the line — remove it",
            ]
        );
    }

    #[test]
    fn a_file_ends_in_exactly_one_newline() {
        assert_eq!(
            texts(check_white_space("f.md", "a\nb")),
            ["f.md:2: no newline at the end of the file — add one"]
        );
        assert_eq!(
            texts(check_white_space("f.md", "a\n\n")),
            ["f.md:2: empty lines at the end of the file — remove them"]
        );
    }

    #[test]
    fn the_first_line_of_a_rust_file_says_what_it_does() {
        assert_eq!(check_first_line("f.rs", "//! Does it.\n"), None);
        for text in ["", "\n//! Late.\n", "// Not docs.\n", "use std::fmt;\n"] {
            assert!(check_first_line("f.rs", text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn sizes_at_the_limit_pass() {
        let function = format!("fn f() {{\n{}}}\n", "    x;\n".repeat(68));
        assert!(sizes(&function).is_empty());
        assert!(sizes(&format!("// {}\n", "é".repeat(117))).is_empty());
        assert!(sizes(&"//\n".repeat(500)).is_empty());
    }

    #[test]
    fn everything_too_long_is_found() {
        let function = format!("fn long() {{\n{}}}\n", "    x;\n".repeat(69));
        let wide = format!("// {}\n", "é".repeat(118));
        let rest = "//\n".repeat(500);
        assert_eq!(
            sizes(&format!("{wide}{function}{rest}")),
            [
                "f.rs:501: the file has 572 lines, more than 500 — \
                 give the second concept that moved in a file of its own",
                "f.rs:2: fn long has 71 lines, more than 70 — split it",
                "f.rs:1: the line has 121 columns, more than 120 — break it",
            ]
        );
    }
}
