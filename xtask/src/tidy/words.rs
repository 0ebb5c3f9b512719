//! Words that have no place in a Rust file: leftovers anywhere, `unsafe` where a crate must do without.
//!
//! Leftovers are looked for in the whole text, because some live in comments; the table below is spelt in
//! pieces so as not to find itself. The keyword is looked for in code alone.

use super::Finding;
use super::scanner::{Kind, Token};

/// What must not be left behind, and what to do about it.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("todo", "!("), "write the code"),
    (concat!("unimplemented", "!("), "write the code"),
    (concat!("dbg", "!("), "remove it"),
    (
        concat!("FIX", "ME"),
        "mend it, or write it into the changelog's known limits",
    ),
    (concat!("#[", "ignore"), "make the test run, or delete it"),
];

/// Where `unsafe` may be used.
const UNSAFE_HOMES: &[&str] = &[
    "crates/gorge-coroutine/",
    "crates/gorge-runtime/",
    "crates/gorge-sync/",
    "crates/gorge-channel/",
    "crates/gorge/examples/",
    "crates/gorge/tests/",
    "crates/gorge-patterns/tests/",
    "benches/",
];

/// Where std's atomics may be used: the seam, and the crate below it.
const ATOMICS_HOMES: &[&str] = &[
    "crates/gorge-runtime/src/primitive/",
    "crates/gorge-coroutine/src/",
];
const RAW_ATOMICS: &[&str] = &["std::sync::atomic", "core::sync::atomic"];

/// std's atomics in library code outside of the seam that swaps them for loom's.
///
/// Clippy's `disallowed_types` cannot do this: it looks through re-exports.
pub(crate) fn check_atomics(path: &str, text: &str) -> Vec<Finding> {
    let is_library = path.starts_with("crates/") && path.contains("/src/");
    if !is_library || ATOMICS_HOMES.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let remedy = "use gorge_runtime::primitive::atomic: loom replaces them there";
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| RAW_ATOMICS.iter().any(|raw| line.contains(raw)))
        .map(|(number, _)| Finding::new(path, number, "raw std atomics", remedy))
        .collect()
}

/// Unfinished code, debugging aids and silenced tests.
pub(crate) fn check_leftovers(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for &(leftover, remedy) in LEFTOVERS {
            if holds(line, leftover) {
                let problem = format!("`{leftover}`");
                findings.push(Finding::new(path, number, problem, remedy));
            }
        }
    }
    findings
}

/// Whether `leftover` stands in `line` other than as the end of a longer name.
fn holds(line: &str, leftover: &str) -> bool {
    line.match_indices(leftover).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// The keyword `unsafe` outside the crates that may use it.
pub(crate) fn check_unsafe(path: &str, tokens: &[Token<'_>]) -> Vec<Finding> {
    if UNSAFE_HOMES.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let problem = "`unsafe` in a crate that does without";
    let remedy = "move it into gorge-coroutine, gorge-runtime, gorge-sync or gorge-channel, behind a safe name";
    tokens
        .iter()
        .filter(|token| token.kind == Kind::Word("unsafe"))
        .map(|token| Finding::new(path, token.line, problem, remedy))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::scanner::tokens;

    #[test]
    fn every_leftover_is_found_in_code_comments_and_strings() {
        for &(leftover, _) in LEFTOVERS {
            for text in ["\n{}x)]", "\n// {} x", "\nlet x = \" {}\";"] {
                let text = text.replace("{}", leftover);
                let findings = check_leftovers("f.rs", &text);
                assert_eq!(findings.len(), 1, "{text}");
                assert_eq!((findings[0].line, &*findings[0].path), (2, "f.rs"));
            }
        }
    }

    #[test]
    fn longer_names_are_not_leftovers() {
        let text = format!("my_{}x) {}s", concat!("dbg", "!("), concat!("todo", "!"));
        assert_eq!(check_leftovers("f.rs", &text), []);
    }

    #[test]
    fn raw_atomics_outside_of_the_seam_are_found() {
        let source = "//! x\nuse std::sync::atomic::AtomicU8;\n/// std::sync::atomic\n";
        let findings = check_atomics("crates/gorge-sync/src/mutex.rs", source);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
        for allowed in [
            "crates/gorge-runtime/src/primitive/mod.rs",
            "crates/gorge-sync/tests/mutex.rs",
            "xtask/src/main.rs",
        ] {
            assert_eq!(check_atomics(allowed, source), [], "{allowed}");
        }
    }

    #[test]
    fn unsafe_outside_its_homes_is_found() {
        let source =
            "//! unsafe\nfn f() {\n    unsafe { g(\"unsafe\") }\n}\n#![forbid(unsafe_code)]";
        for path in [
            "crates/gorge-patterns/src/lib.rs",
            "crates/gorge/src/lib.rs",
            "crates/gorge-sync-extra/src/lib.rs",
            "xtask/src/main.rs",
        ] {
            let findings = check_unsafe(path, &tokens(source));
            assert_eq!(findings.len(), 1, "{path}");
            assert_eq!(findings[0].line, 3);
        }
    }

    #[test]
    fn unsafe_in_its_homes_passes() {
        for path in [
            "crates/gorge-coroutine/src/arch/x86_64.rs",
            "crates/gorge-runtime/tests/it/main.rs",
            "crates/gorge/examples/pin.rs",
            "benches/benches/spawn.rs",
        ] {
            assert_eq!(check_unsafe(path, &tokens("unsafe {}")), [], "{path}");
        }
    }
}
