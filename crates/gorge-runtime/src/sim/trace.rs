//! What happened in a simulation, step by step: numbers and words, no addresses, no
//! threads, no time but the virtual one.

use crate::goroutine::GoroutineId;
use crate::park::WaitReason;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// One step of a simulation: what a goroutine did, or the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// From one.
    pub number: u64,
    /// Who did it; zero for the scheduler.
    pub goroutine: GoroutineId,
    /// What.
    pub action: Action,
}

/// What is done in a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It was chosen to run, after another one.
    Runs,
    /// It started another goroutine, at this place.
    Starts(GoroutineId, Option<&'static Location<'static>>),
    /// It is about to do this: where another one may run instead.
    At(&'static str),
    /// It lets others run.
    Yields,
    /// It waits.
    Parks(WaitReason),
    /// It made another goroutine runnable.
    Wakes(GoroutineId),
    /// The time until which this goroutine was to wait at most has come, and ends its wait.
    Expires(GoroutineId),
    /// It ended.
    Ends,
    /// The clock shows so much now: nobody could run.
    ClockAt(Duration),
}

/// The steps of a simulation: as many of the last ones as were
/// [asked for](super::Config::trace_len), and a digest of all.
///
/// `Display` prints a line for each. Clones share the steps.
#[derive(Clone)]
pub struct Trace(Arc<Recording>);

struct Recording {
    steps: VecDeque<Step>,
    total: u64,
    digest: u64,
    names: HashMap<u64, Arc<str>>,
    /// Where in the program some steps are, by their numbers.
    places: HashMap<u64, String>,
}

impl Trace {
    /// How many steps there were.
    pub fn len(&self) -> u64 {
        self.0.total
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.0.total == 0
    }

    /// The last steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.steps.iter()
    }

    /// A number that is the same for simulations with the same steps, on every machine,
    /// and very probably another one for others.
    pub fn digest(&self) -> u64 {
        self.0.digest
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps() {
            write!(f, "{:>8}  ", step.number)?;
            match (step.goroutine.as_u64(), step.action) {
                (_, Action::Expires(_)) => f.write_str("a timer")?,
                (0, _) => f.write_str("the scheduler")?,
                (id, _) => self.write_goroutine(f, id)?,
            }
            match step.action {
                Action::Runs => f.write_str(" runs")?,
                Action::Starts(child, site) => {
                    f.write_str(" starts ")?;
                    self.write_goroutine(f, child.as_u64())?;
                    if let Some(site) = site {
                        write!(f, " at {site}")?;
                    }
                }
                Action::At(operation) => write!(f, ": {operation}")?,
                Action::Yields => f.write_str(" yields")?,
                Action::Parks(reason) => write!(f, " waits [{reason}]")?,
                Action::Wakes(other) | Action::Expires(other) => {
                    f.write_str(" wakes ")?;
                    self.write_goroutine(f, other.as_u64())?;
                }
                Action::Ends => f.write_str(" ends")?,
                Action::ClockAt(time) => write!(f, " sets the clock to {time:?}")?,
            }
            if let Some(place) = self.0.places.get(&step.number) {
                write!(f, " at {place}")?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Trace {
    fn write_goroutine(&self, f: &mut fmt::Formatter<'_>, id: u64) -> fmt::Result {
        write!(f, "goroutine {id}")?;
        match self.0.names.get(&id) {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("len", &self.len())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

/// Where steps are recorded.
pub(super) struct Recorder {
    recording: Recording,
    len_max: usize,
}

impl Recorder {
    pub(super) fn new(len_max: usize) -> Recorder {
        Recorder {
            recording: Recording {
                steps: VecDeque::new(),
                total: 0,
                digest: 0xcbf2_9ce4_8422_2325,
                names: HashMap::new(),
                places: HashMap::new(),
            },
            len_max,
        }
    }

    /// How many steps there were so far.
    pub(super) fn total(&self) -> u64 {
        self.recording.total
    }

    pub(super) fn name(&mut self, goroutine: u64, name: &str) {
        self.recording.names.insert(goroutine, name.into());
    }

    /// The last step is there in the program.
    pub(super) fn locate(&mut self, place: String) {
        let recording = &mut self.recording;
        if recording
            .steps
            .back()
            .is_some_and(|step| step.number == recording.total)
        {
            recording.places.insert(recording.total, place);
        }
    }

    pub(super) fn record(&mut self, goroutine: u64, action: Action) {
        let recording = &mut self.recording;
        recording.total += 1;
        recording.digest = mix(digest_of(action, recording.digest), goroutine);
        if recording.steps.len() >= self.len_max {
            recording.steps.pop_front();
        }
        if self.len_max > 0 {
            recording.steps.push_back(Step {
                number: recording.total,
                goroutine: GoroutineId::new(goroutine),
                action,
            });
        }
    }

    pub(super) fn into_trace(self) -> Trace {
        Trace(Arc::new(self.recording))
    }
}

/// Takes a step into a digest. Of where a goroutine was started, the line and the column:
/// how the path begins depends on where the program was built.
fn digest_of(action: Action, digest: u64) -> u64 {
    match action {
        Action::Runs => mix(digest, 1),
        Action::Starts(child, site) => {
            let (line, column) = site.map_or((0, 0), |site| (site.line(), site.column()));
            let place = u64::from(line) << 32 | u64::from(column);
            mix(mix(mix(digest, 2), child.as_u64()), place)
        }
        Action::At(operation) => operation
            .bytes()
            .fold(mix(digest, 3), |digest, byte| mix(digest, byte.into())),
        Action::Yields => mix(digest, 4),
        Action::Parks(reason) => mix(mix(digest, 5), reason as u64),
        Action::Wakes(other) => mix(mix(digest, 6), other.as_u64()),
        Action::Ends => mix(digest, 7),
        Action::ClockAt(time) => mix(mix(digest, 8), time.as_nanos() as u64),
        Action::Expires(other) => mix(mix(digest, 9), other.as_u64()),
    }
}

#[inline]
fn mix(digest: u64, word: u64) -> u64 {
    (digest.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_steps_are_kept_and_all_are_digested() {
        let trace = |steps: u64, len_max| {
            let mut recorder = Recorder::new(len_max);
            (1..=steps).for_each(|id| recorder.record(id, Action::At("lock")));
            recorder.into_trace()
        };
        let short = trace(10, 3);
        let numbers: Vec<_> = short.steps().map(|step| step.number).collect();
        assert_eq!((short.len(), numbers), (10, vec![8, 9, 10]));
        assert_eq!(short.digest(), trace(10, 100).digest());
        assert_ne!(short.digest(), trace(11, 3).digest());
        assert_eq!(trace(5, 0).steps().count(), 0);
    }

    #[test]
    fn a_trace_reads_as_sentences() {
        let mut recorder = Recorder::new(10);
        recorder.name(2, "reader");
        recorder.record(1, Action::Starts(GoroutineId::new(2), None));
        recorder.record(2, Action::Parks(WaitReason::ChannelReceive));
        recorder.record(0, Action::ClockAt(Duration::from_secs(3)));
        recorder.record(0, Action::Expires(GoroutineId::new(2)));
        let text = recorder.into_trace().to_string();
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "1  goroutine 1 starts goroutine 2 \"reader\"",
                "2  goroutine 2 \"reader\" waits [chan receive]",
                "3  the scheduler sets the clock to 3s",
                "4  a timer wakes goroutine 2 \"reader\"",
            ]
        );
    }
}
