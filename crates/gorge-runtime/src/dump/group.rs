//! A dump in which equal stacks are printed once.

use super::text::{Body, Doing};
use super::{Frame, GoroutineSnapshot, GoroutineState};
use crate::goroutine::GoroutineId;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

/// How many numbers of a group are printed.
const NUMBERS: usize = 10;

/// Prints a [`GoroutineDump`](super::GoroutineDump) by groups; see
/// [`grouped`](super::GoroutineDump::grouped).
#[derive(Clone, Debug)]
pub struct GroupedDump<'a> {
    /// None is empty.
    groups: Vec<Vec<&'a GoroutineSnapshot>>,
}

/// What the goroutines of a group have in common.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    state: GoroutineState,
    site: Option<&'static Location<'static>>,
    /// By address: goroutines with the same frames share them.
    frames: *const [Frame],
    elided: usize,
    is_walked: Option<bool>,
    name: Option<&'a str>,
    /// One that does not wait is a group of its own.
    id: Option<GoroutineId>,
}

impl<'a> GroupedDump<'a> {
    pub(super) fn new(goroutines: &'a [GoroutineSnapshot]) -> GroupedDump<'a> {
        let mut groups: Vec<Vec<&GoroutineSnapshot>> = Vec::new();
        let mut by_key: HashMap<Key<'_>, usize> = HashMap::new();
        for goroutine in goroutines {
            let group = *by_key.entry(Key::of(goroutine)).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(goroutine);
        }
        // A stable sort: groups of the same size stay in the order of their numbers.
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        GroupedDump { groups }
    }

    /// The groups: goroutines in the same state and the same calls, by number.
    pub fn groups(&self) -> impl Iterator<Item = &[&'a GoroutineSnapshot]> {
        self.groups.iter().map(Vec::as_slice)
    }
}

impl<'a> Key<'a> {
    fn of(goroutine: &'a GoroutineSnapshot) -> Key<'a> {
        Key {
            state: goroutine.state,
            site: goroutine.site,
            frames: &raw const *goroutine.frames,
            elided: goroutine.frames_elided,
            is_walked: goroutine.is_walked,
            name: goroutine.name.as_deref(),
            id: (goroutine.state == GoroutineState::Running).then_some(goroutine.id),
        }
    }
}

impl fmt::Display for GroupedDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.groups.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            match group.as_slice() {
                [] => {}
                [goroutine] => goroutine.fmt(f)?,
                [first, ..] => {
                    header(f, first, group)?;
                    Body(first).fmt(f)?;
                }
            }
        }
        Ok(())
    }
}

fn header(
    f: &mut fmt::Formatter<'_>,
    first: &GoroutineSnapshot,
    group: &[&GoroutineSnapshot],
) -> fmt::Result {
    write!(f, "{} goroutines: {}", group.len(), first.id)?;
    for goroutine in group.iter().take(NUMBERS).skip(1) {
        write!(f, ", {}", goroutine.id)?;
    }
    if group.len() > NUMBERS {
        f.write_str(", ...")?;
    }
    let longest = group.iter().map(|it| it.waited).max().unwrap_or_default();
    write!(f, " {}", Doing(first.state, longest))?;
    if let Some(name) = &first.name {
        write!(f, " {name:?}")?;
    }
    writeln!(f, ":")
}
