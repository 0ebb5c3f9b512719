//! How much of the goroutines' stacks a report of a failure prints.
//!
//! The environment variable `GORGE_TRACEBACK` says so, in the words of Go's
//! `GOTRACEBACK`. It is read when a runtime is built: a report is no time to look
//! for mistakes in it.

use crate::report::report;
use std::env;
use std::sync::Once;

/// The levels of `GORGE_TRACEBACK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traceback {
    /// No frames.
    None,
    /// Those of the goroutine that failed; of all, if it was none in particular.
    Single,
    /// Those of all goroutines.
    All,
}

impl Traceback {
    /// What the environment says, if it does. A word that is none of the levels is
    /// told of on standard error once.
    pub(crate) fn from_environment() -> Option<Traceback> {
        static TOLD: Once = Once::new();
        let value = env::var_os("GORGE_TRACEBACK")?;
        let value = value.to_string_lossy();
        Some(Traceback::parse(&value).unwrap_or_else(|| {
            TOLD.call_once(|| {
                report(format_args!(
                    "gorge: GORGE_TRACEBACK is {value:?}, but must be none, single or all; \
                     single is used"
                ));
            });
            Traceback::Single
        }))
    }

    fn parse(value: &str) -> Option<Traceback> {
        match value.trim() {
            "none" => Some(Traceback::None),
            "single" | "" => Some(Traceback::Single),
            "all" => Some(Traceback::All),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_gos() {
        assert_eq!(Traceback::parse("none"), Some(Traceback::None));
        assert_eq!(Traceback::parse("single"), Some(Traceback::Single));
        assert_eq!(Traceback::parse(""), Some(Traceback::Single));
        assert_eq!(Traceback::parse(" all "), Some(Traceback::All));
        for bad in ["ALL", "1", "crash", "system"] {
            assert_eq!(Traceback::parse(bad), None);
        }
    }
}
