//! `cargo xtask tidy`: the rules of style a machine can check, over every file git knows of.
//!
//! [`tree`] reads the files. Rust goes through [`scanner`] and then [`shape`] (first line, sizes, white
//! space; [`limits`] holds the numbers, [`functions`] finds the functions) and [`words`] (leftovers,
//! `unsafe`); Markdown through [`markdown`] and [`links`]. Every check is a function from a path and a
//! text to findings.

mod functions;
mod limits;
mod links;
mod markdown;
mod scanner;
mod shape;
mod tree;
mod words;

use crate::finding::{Finding, Verdict};
use limits::Limits;
use std::io;
use std::path::Path;
use tree::Tree;

/// Checks the repository at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Verdict> {
    let tree = Tree::read(root)?;
    let findings = check_tree(&tree, &mut Limits::of_repository());
    Ok(Verdict::new(format!("{} files", tree.len()), findings))
}

/// The table of exceptions, to be shown to whoever asks for this check by name.
pub(crate) fn exceptions() -> String {
    Limits::of_repository().to_string()
}

fn check_tree(tree: &Tree, limits: &mut Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        findings.extend(shape::check_white_space(path, text));
        if path.ends_with(".rs") {
            findings.extend(check_rust(path, text, limits));
        } else if path.ends_with(".md") {
            findings.extend(links::check_links(path, text, tree));
        }
    }
    findings.extend(limits.unneeded());
    findings
}

fn check_rust(path: &str, text: &str, limits: &mut Limits) -> Vec<Finding> {
    let tokens = scanner::tokens(text);
    let mut findings = shape::check_size(path, text, &tokens, limits);
    findings.extend(shape::check_first_line(path, text));
    findings.extend(words::check_leftovers(path, text));
    findings.extend(words::check_atomics(path, text));
    findings.extend(words::check_unsafe(path, &tokens));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(texts: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::from_texts(texts.iter().copied());
        let found = check_tree(&tree, &mut Limits::of_repository());
        found.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_tidy_tree_passes() {
        assert!(findings(&[("a.rs", "//! A.\n"), ("b.md", "[a](a.rs)\n")]).is_empty());
    }

    #[test]
    fn every_kind_of_file_gets_its_checks() {
        let found = findings(&[
            ("a.rs", "unsafe {}\n"),
            ("b.md", "[c](c.md)\n"),
            ("d.toml", "x = 1 \n"),
        ]);
        assert_eq!(found.len(), 4, "{found:#?}");
        let places = found
            .iter()
            .map(|finding| &finding[..finding.find(": ").unwrap()]);
        assert_eq!(
            places.collect::<Vec<_>>(),
            ["a.rs:1", "a.rs:1", "b.md:1", "d.toml:1"]
        );
    }
}
