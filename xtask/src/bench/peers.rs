//! Who takes part: gorge in its settings, and the peers in theirs.

use std::fmt;

/// What a contestant runs its parties on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Plain threads.
    Threads,
    /// Goroutines or tasks, on so many workers.
    Workers(u32),
    /// gorge's goroutines that stay on their thread.
    Homed(u32),
    /// gorge's goroutines that change threads.
    Migrating(u32),
}

/// A program in a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contestant {
    pub(crate) peer: &'static str,
    pub(crate) setting: Setting,
    /// Whether all its threads share one processor.
    pub(crate) pinned: bool,
}

/// Peers and their settings, in the order in which they take turns and stand in tables.
type Table = &'static [(&'static str, &'static [Setting])];

/// The one that the others are compared with.
pub(crate) const GORGE: &str = "gorge";

/// The peer that is not a crate.
pub(crate) const GO: &str = "go";

const THREADS: &[Setting] = &[Setting::Threads];
const WORKERS: &[Setting] = &[Setting::Workers(1), Setting::Workers(2)];

const GOROUTINES: &[Setting] = &[
    Setting::Homed(1),
    Setting::Migrating(1),
    Setting::Homed(2),
    Setting::Migrating(2),
];

/// Who has channels.
const CHANNELS: Table = &[
    (GORGE, GOROUTINES),
    (GORGE, THREADS),
    (GO, WORKERS),
    ("tokio", WORKERS),
    ("flume-async", WORKERS),
    ("kanal-async", WORKERS),
    ("crossbeam", THREADS),
    ("flume", THREADS),
    ("kanal", THREADS),
];

/// Who has goroutines, or tasks.
const RUNTIMES: Table = &[
    (GORGE, GOROUTINES),
    (GO, WORKERS),
    ("tokio", WORKERS),
    ("may", WORKERS),
];

/// Every contestant there is for channels.
pub(crate) fn with_channels() -> Vec<Contestant> {
    of(CHANNELS)
}

/// Every runtime there is, on one worker and on two.
pub(crate) fn runtimes() -> Vec<Contestant> {
    of(RUNTIMES)
}

/// gorge in both placements, Go and tokio, on each of these numbers of workers.
pub(crate) fn on_workers(numbers: &[u32]) -> Vec<Contestant> {
    let contestants = numbers.iter().flat_map(|&procs| {
        [
            (GORGE, Setting::Homed(procs)),
            (GORGE, Setting::Migrating(procs)),
            (GO, Setting::Workers(procs)),
            ("tokio", Setting::Workers(procs)),
        ]
    });
    contestants
        .map(|(peer, setting)| contestant(peer, setting))
        .collect()
}

/// These, but each on one processor.
pub(crate) fn pinned(mut contestants: Vec<Contestant>) -> Vec<Contestant> {
    contestants.iter_mut().for_each(|it| it.pinned = true);
    contestants
}

fn of(table: Table) -> Vec<Contestant> {
    table
        .iter()
        .flat_map(|&(peer, settings)| settings.iter().map(move |&it| contestant(peer, it)))
        .collect()
}

fn contestant(peer: &'static str, setting: Setting) -> Contestant {
    Contestant {
        peer,
        setting,
        pinned: false,
    }
}

impl Setting {
    /// How many workers there are; 0 for threads.
    pub(crate) fn procs(self) -> u32 {
        match self {
            Setting::Threads => 0,
            Setting::Workers(procs) | Setting::Homed(procs) | Setting::Migrating(procs) => procs,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Threads => f.write_str("threads"),
            Setting::Workers(procs) => write!(f, "P={procs}"),
            Setting::Homed(procs) => write!(f, "homed, P={procs}"),
            Setting::Migrating(procs) => write!(f, "migrating, P={procs}"),
        }
    }
}

impl Contestant {
    pub(crate) fn is_gorge(&self) -> bool {
        self.peer == GORGE
    }

    /// Whether this one, which is gorge, is to be compared with `peer`: peers with workers have as many,
    /// and whoever has workers is also an alternative to threads.
    pub(crate) fn meets(&self, peer: &Contestant) -> bool {
        let both = (self.setting, peer.setting);
        !peer.is_gorge()
            && self.pinned == peer.pinned
            && match both {
                (_, Setting::Threads) => true,
                (ours, theirs) => ours.procs() == theirs.procs(),
            }
    }

    /// What the programs read from the environment; see benches/src/program.rs.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let placement = match self.setting {
            Setting::Homed(_) => Some("homed"),
            Setting::Migrating(_) => Some("migrating"),
            Setting::Threads if self.is_gorge() => Some("threads"),
            _ => None,
        };
        let procs = Some(self.setting.procs()).filter(|procs| *procs > 0);
        let placement = placement.map(|it| ("BENCH_PLACEMENT", it.to_owned()));
        let procs = procs.map(|it| ("BENCH_PROCS", it.to_string()));
        placement.into_iter().chain(procs).collect()
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = if self.pinned { ", pinned" } else { "" };
        write!(f, "{}, {}{pinned}", self.peer, self.setting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Contestant {
        let found = with_channels()
            .into_iter()
            .find(|it| it.to_string() == name);
        found.unwrap_or_else(|| panic!("{name}"))
    }

    #[test]
    fn gorge_meets_threads_and_peers_with_as_many_workers() {
        for (ours, peer, expected) in [
            ("gorge, homed, P=1", "go, P=1", true),
            ("gorge, homed, P=1", "go, P=2", false),
            ("gorge, migrating, P=2", "tokio, P=2", true),
            ("gorge, migrating, P=2", "kanal, threads", true),
            ("gorge, threads", "kanal, threads", true),
            ("gorge, threads", "go, P=1", false),
            ("gorge, homed, P=1", "gorge, threads", false),
        ] {
            let meets = named(ours).meets(&named(peer));
            assert_eq!(meets, expected, "{ours} and {peer}");
        }
    }

    #[test]
    fn who_is_pinned_meets_who_is_pinned() {
        let (free, bound) = (on_workers(&[2]), pinned(on_workers(&[2])));
        assert!(free[0].meets(&free[2]) && bound[0].meets(&bound[2]));
        assert!(!free[0].meets(&bound[2]) && !bound[0].meets(&free[2]));
        assert_eq!(bound[1].to_string(), "gorge, migrating, P=2, pinned");
    }

    #[test]
    fn the_environment_tells_a_program_its_setting() {
        let variables = |name| {
            let variables = named(name).environment().into_iter();
            let variables: Vec<_> = variables.map(|(name, it)| format!("{name}={it}")).collect();
            variables.join(" ")
        };
        assert_eq!(
            variables("gorge, migrating, P=2"),
            "BENCH_PLACEMENT=migrating BENCH_PROCS=2"
        );
        assert_eq!(variables("gorge, threads"), "BENCH_PLACEMENT=threads");
        assert_eq!(variables("go, P=1"), "BENCH_PROCS=1");
        assert_eq!(variables("flume, threads"), "");
    }
}
