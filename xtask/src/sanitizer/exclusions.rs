//! The tests that cannot run under a sanitizer, with the reasons.

use super::Sanitizer;
use crate::suite::Binary;
use std::fmt::Write as _;

/// Tests that do not run.
struct Exclusion {
    sanitizers: &'static [Sanitizer],
    package: &'static str,
    target: &'static str,
    /// The test; all of the binary if nothing.
    test: Option<&'static str>,
    reason: &'static str,
}

/// Every exclusion there is. Both commands print theirs.
const EXCLUSIONS: &[Exclusion] = &[
    Exclusion {
        sanitizers: &Sanitizer::ALL,
        package: "gorge",
        target: "checksum",
        test: None,
        reason: "it tests a program that it has cargo build, without the sanitizer",
    },
    Exclusion {
        sanitizers: &Sanitizer::ALL,
        package: "gorge-runtime",
        target: "overflow",
        test: None,
        reason: "its children fault on purpose, and the sanitizer's own handler gets that first",
    },
    Exclusion {
        sanitizers: &Sanitizer::ALL,
        package: "gorge-runtime",
        target: "memory",
        test: None,
        reason: "it measures resident memory, which shadow memory and quarantine change",
    },
    Exclusion {
        sanitizers: &Sanitizer::ALL,
        package: "gorge-runtime",
        target: "quiet",
        test: None,
        reason: "it measures memory and context switches, and the sanitizer has threads of its own",
    },
    Exclusion {
        sanitizers: &[Sanitizer::Thread],
        package: "gorge-runtime",
        target: "growing",
        test: Some("a_recursion_of_a_million_frames_ends"),
        reason: "the sanitizer's shadow stack holds 65,536 frames",
    },
    Exclusion {
        sanitizers: &[Sanitizer::Thread],
        package: "gorge",
        target: "scale",
        test: Some("a_hundred_thousand_goroutines_park_at_once_and_all_finish"),
        reason: "each fibre's shadow stack is a mapping of its own, and the kernel allows 65,530",
    },
    Exclusion {
        sanitizers: &[Sanitizer::Thread],
        package: "gorge-runtime",
        target: "sigquit",
        test: None,
        reason: "the sanitizer keeps a signal back from a thread that sleeps in a raw futex call",
    },
    Exclusion {
        sanitizers: &[Sanitizer::Thread],
        package: "gorge-runtime",
        target: "alone",
        test: None,
        reason: "it is about processes without foreign threads, and the sanitizer has one",
    },
    Exclusion {
        sanitizers: &[Sanitizer::Thread],
        package: "gorge-runtime",
        target: "endings",
        test: Some("a_hundred_thousand_parked_goroutines_unwind"),
        reason: "each fibre's shadow stack is a mapping of its own, and the kernel allows 65,530",
    },
    Exclusion {
        sanitizers: &Sanitizer::ALL,
        package: "gorge-runtime",
        target: "endings",
        test: Some("a_thousand_runtimes_leave_no_thread_no_mapping_and_no_descriptor"),
        reason: "it counts mappings, and the sanitizer makes and keeps some of its own",
    },
];

fn of(sanitizer: Sanitizer) -> impl Iterator<Item = &'static Exclusion> {
    EXCLUSIONS
        .iter()
        .filter(move |it| it.sanitizers.contains(&sanitizer))
}

/// Whether `binary` does not run at all.
pub(crate) fn excludes(sanitizer: Option<Sanitizer>, binary: &Binary) -> bool {
    let mut all = sanitizer.into_iter().flat_map(of);
    all.any(|it| it.test.is_none() && it.is_about(binary))
}

impl Exclusion {
    fn is_about(&self, binary: &Binary) -> bool {
        self.package == binary.package && self.target == binary.target
    }
}

impl Sanitizer {
    /// The tests of `binary` that do not run.
    pub(crate) fn skipped_tests(self, binary: &Binary) -> impl Iterator<Item = &'static str> {
        of(self)
            .filter(|it| it.is_about(binary))
            .filter_map(|it| it.test)
    }
}

/// The exclusions under `sanitizer`, one per line.
pub(crate) fn table(sanitizer: Sanitizer) -> String {
    let mut table = "left out:\n".to_owned();
    for it in of(sanitizer) {
        let test = it.test.map_or(String::new(), |test| format!(" {test}"));
        let _ = writeln!(table, "  {} {}{test}: {}", it.package, it.target, it.reason);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;
    use std::fs;

    fn binary(package: &str, target: &str) -> Binary {
        Binary {
            package: package.to_owned(),
            target: target.to_owned(),
            executable: "/t/x".into(),
            folder: "/w".into(),
        }
    }

    #[test]
    fn exclusions_name_tests_that_exist() {
        for it in EXCLUSIONS {
            let file = format!("crates/{}/tests/{}.rs", it.package, it.target);
            let text = fs::read_to_string(workspace::root().join(&file)).expect(&file);
            let test = it.test.map_or(String::new(), |test| format!("fn {test}()"));
            assert!(text.contains(&test), "{file}: {test}");
        }
    }

    #[test]
    fn a_binary_or_some_of_its_tests_are_left_out() {
        let (checksum, scale) = (binary("gorge", "checksum"), binary("gorge", "scale"));
        assert!(excludes(Some(Sanitizer::Address), &checksum));
        assert!(!excludes(Some(Sanitizer::Thread), &scale));
        assert!(!excludes(None, &checksum));
        assert_eq!(Sanitizer::Thread.skipped_tests(&scale).count(), 1);
        assert_eq!(Sanitizer::Address.skipped_tests(&scale).count(), 0);
    }

    #[test]
    fn the_table_has_reasons() {
        let table = table(Sanitizer::Address);
        assert!(table.contains("\n  gorge checksum: it tests"), "{table}");
        assert!(!table.contains("a_hundred_thousand"), "{table}");
    }
}
