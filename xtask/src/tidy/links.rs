//! Relative links between the files of the repository lead somewhere.
//!
//! A target is a file or folder git knows of, so a link to something ignored fails here as it would for
//! a reader. An anchor into a Markdown file names one of its headings.

use super::Finding;
use super::markdown::{anchors, links};
use super::tree::Tree;

/// Every broken relative link of the Markdown file `path`.
pub(crate) fn check_links(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let links = links(text).into_iter();
    links
        .filter(|link| !is_external(&link.target))
        .filter_map(|link| {
            let (problem, remedy) = broken(path, &link.target, tree)?;
            Some(Finding::new(path, link.line, problem, remedy))
        })
        .collect()
}

fn is_external(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// What is wrong with `target` as seen from the file `path`, and what to do about it.
fn broken(path: &str, target: &str, tree: &Tree) -> Option<(String, &'static str)> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(found) = resolve(path, file).filter(|found| tree.holds(found)) else {
        let remedy = "name a file git knows of, relative to this one";
        return Some((format!("the link `{target}` leads to no file"), remedy));
    };
    let headings = tree.text(&found).filter(|_| found.ends_with(".md"));
    let known = anchor.is_empty() || headings.is_none_or(|text| anchors(text).contains(anchor));
    (!known).then(|| {
        let problem = format!("the link `{target}` names no heading of {found}");
        (problem, "use the heading's anchor as GitHub makes it")
    })
}

/// The path from the repository root that `target` means in the file `path`; a leading `/` is the root.
fn resolve(path: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(path.to_owned());
    }
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => path.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::from_texts([
            ("README.md", "# Gorge\n## Start here\n"),
            ("docs/guide/one.md", "# One\n"),
            ("crates/gorge/src/lib.rs", "//! Gorge.\n"),
        ])
    }

    /// What is wrong with a link to `target` in `docs/guide/two.md`.
    fn problem(target: &str) -> Option<String> {
        let text = format!("\n[text]({target})\n");
        let findings = check_links("docs/guide/two.md", &text, &tree());
        assert!(findings.len() <= 1, "{findings:?}");
        findings.first().map(|finding| {
            assert_eq!((&*finding.path, finding.line), ("docs/guide/two.md", 2));
            finding.problem.clone()
        })
    }

    #[test]
    fn links_to_files_folders_and_headings_pass() {
        for target in [
            "one.md",
            "./one.md#one",
            "../../README.md#start-here",
            "/README.md",
            "../guide",
            "../../crates/",
            "../..",
            "../../crates/gorge/src/lib.rs#L1",
            "https://example.org/nowhere#x",
            "mailto:nobody@example.org",
        ] {
            assert_eq!(problem(target), None, "{target}");
        }
    }

    #[test]
    fn links_to_nothing_are_found() {
        for target in ["two", "README.md", "../one.md", "../../../x", "One.md"] {
            let expected = format!("the link `{target}` leads to no file");
            assert_eq!(problem(target), Some(expected));
        }
    }

    #[test]
    fn anchors_to_nothing_are_found() {
        assert_eq!(
            problem("one.md#two").unwrap(),
            "the link `one.md#two` names no heading of docs/guide/one.md"
        );
        assert!(problem("../../README.md#Start-here").is_some());
    }

    #[test]
    fn an_anchor_alone_means_the_same_file() {
        let text = tree().text("README.md").unwrap().to_owned();
        let with_links = format!("{text}[a](#start-here) [b](#gone)\n");
        let tree = Tree::from_texts([("README.md", &*with_links)]);
        let findings = check_links("README.md", &with_links, &tree);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(findings[0].problem.contains("#gone"));
    }
}
