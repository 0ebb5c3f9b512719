//! The suites there are.

mod channels;
mod latency;
mod memory;
mod peers;
mod scaling;

use super::suite::Suite;

/// The names that `cargo xtask bench` takes for them.
pub(crate) const NAMES: &[&str] = &["peers", "channels", "scaling", "latency", "memory"];

/// The suite called `name`.
pub(crate) fn named(name: &str) -> Option<Suite> {
    match name {
        "peers" => Some(peers::suite()),
        "channels" => Some(channels::suite()),
        "scaling" => Some(scaling::suite()),
        "latency" => Some(latency::suite()),
        "memory" => Some(memory::suite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_a_suite_with_a_page_of_its_own() {
        let suites = || NAMES.iter().map(|name| named(name).unwrap());
        assert!(suites().map(|it| it.name).eq(NAMES.iter().copied()));
        let pages: BTreeSet<_> = suites().map(|it| it.page).collect();
        assert_eq!(pages.len(), NAMES.len());
        assert!(named("threads").is_none());
    }

    #[test]
    fn no_row_of_a_section_is_there_twice() {
        for section in NAMES.iter().flat_map(|it| named(it).unwrap().sections) {
            let name = |at: usize| (&section.rows[at].name, section.rows[at].count.argument(1.0));
            let names: BTreeSet<_> = (0..section.rows.len()).map(name).collect();
            assert_eq!(names.len(), section.rows.len(), "{}", section.title);
            assert!(section.rows.iter().all(|row| !row.parts.is_empty()));
        }
    }
}
