//! Counts the tests in what `cargo test` prints.
//!
//! Every test binary ends with a line `test result: ok. 3 passed; 0 failed; …`; a [`Tally`] is their sum.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// The sum over all test binaries in `output`.
    pub(crate) fn of(output: &str) -> Tally {
        let mut tally = Tally::default();
        for result in output
            .lines()
            .filter_map(|line| line.strip_prefix("test result: "))
        {
            tally += Tally {
                passed: count(result, "passed"),
                failed: count(result, "failed"),
            };
        }
        tally
    }
}

/// The number before `word` in the result line of one test binary.
fn count(result: &str, word: &str) -> usize {
    let mut words = result.split([' ', ';']).filter(|it| !it.is_empty());
    let mut previous = "";
    words
        .find_map(|it| {
            let number = std::mem::replace(&mut previous, it);
            (it == word).then(|| number.parse().ok())?
        })
        .unwrap_or(0)
}

/// The output of tests without the lines of those that passed, among which a failure is hard to find.
pub(crate) fn without_passed_tests(output: &str) -> String {
    let is_passed = |line: &&str| line.starts_with("test ") && line.trim_end().ends_with(" ... ok");
    let lines = output.split_inclusive('\n');
    lines.filter(|line| !is_passed(line)).collect()
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_binaries_are_added_up() {
        let output = "\
     Running unittests src/lib.rs (target/debug/deps/a-1)

running 3 tests
test tests::reports ... ok

test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

     Running tests/it.rs (target/debug/deps/it-2)
test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s
";
        let expected = Tally {
            passed: 13,
            failed: 2,
        };
        assert_eq!(Tally::of(output), expected);
        assert_eq!(expected.to_string(), "13 passed, 2 failed");
    }

    #[test]
    fn output_without_results_has_no_tests() {
        assert_eq!(Tally::of(""), Tally::default());
        assert_eq!(
            Tally::of("error: 3 passed\ntest result: odd"),
            Tally::default()
        );
    }
}
