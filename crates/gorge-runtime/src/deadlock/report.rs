//! What is told of a deadlock.

use super::graph::Graph;
use crate::dump::{GoroutineDump, GoroutineSnapshot};
use crate::goroutine::GoroutineId;
use crate::scheduler::Shared;
use crate::traceback::Traceback;
use std::fmt;
use std::sync::Arc;

/// So many goroutines are named in one line.
const NAMED_MAX: usize = 8;

/// All goroutines of a runtime when none of them could ever run again.
///
/// `Display` prints Go's message, and then for every goroutine its state, where it
/// was started, and what it waits for. Clones share the report.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{DeadlockDetection, RunError, Runtime, goroutine};
///
/// let builder = Runtime::builder().deadlock_detection(DeadlockDetection::Always);
/// let runtime = builder.build().unwrap();
/// match runtime.try_run(|| goroutine::park_forever()) {
///     Err(RunError::Deadlock(report)) => {
///         assert_eq!(report.dump().goroutines().len(), 1);
///         let text = report.to_string();
///         assert!(text.starts_with("fatal error: all goroutines are asleep - deadlock!\n\n"));
///     }
///     _ => unreachable!("nobody could wake it"),
/// }
/// ```
#[derive(Clone)]
pub struct DeadlockReport(Arc<Contents>);

struct Contents {
    dump: GoroutineDump,
    graph: Graph,
}

impl DeadlockReport {
    pub(crate) fn take(shared: &Shared) -> DeadlockReport {
        let has_frames = shared.config.traceback != Some(Traceback::None);
        let dump = GoroutineDump::take(shared, has_frames);
        let graph = Graph::of(shared, &dump);
        DeadlockReport(Arc::new(Contents { dump, graph }))
    }

    /// The goroutines, and what each of them did.
    pub fn dump(&self) -> &GoroutineDump {
        &self.0.dump
    }

    /// The goroutines for whose end this one waits: the one that it joins, or the
    /// children of its scope.
    pub fn waits_for(&self, goroutine: GoroutineId) -> &[GoroutineId] {
        let ends = self.0.graph.ends.get(&goroutine);
        ends.map_or(&[], Vec::as_slice)
    }

    /// The goroutines that wait for the object (a channel, a lock) at this address,
    /// as the [dump](DeadlockReport::dump) names it. Not those who wait for a
    /// goroutine's end.
    pub fn waiters(&self, object: usize) -> &[GoroutineId] {
        let waiters = self.0.graph.waiters.get(&object);
        waiters.map_or(&[], Vec::as_slice)
    }

    /// Rings of goroutines of which each waits for the end of the next one, and the
    /// last one for that of the first.
    pub fn cycles(&self) -> &[Vec<GoroutineId>] {
        &self.0.graph.cycles
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, goroutine: &GoroutineSnapshot) -> fmt::Result {
        write!(f, "{goroutine}")?;
        let ends = self.waits_for(goroutine.id);
        if !ends.is_empty() {
            return writeln!(f, "waits for the end of {}", Named(ends));
        }
        let waiters = self.waiters(goroutine.object);
        if goroutine.object == 0 || waiters.is_empty() {
            return Ok(());
        }
        write!(f, "waits for {:#x}", goroutine.object)?;
        // Of very many that wait for one thing, not each looks at all.
        let others = waiters.iter().filter(|id| **id != goroutine.id);
        let others: Vec<_> = others.take(NAMED_MAX).copied().collect();
        if !others.is_empty() {
            write!(f, ", as {}", Named(&others))?;
            match waiters.len() - 1 - others.len() {
                0 if others.len() == 1 => f.write_str(" does")?,
                0 => f.write_str(" do")?,
                more => write!(f, " and {more} more do")?,
            }
        }
        writeln!(f)
    }
}

/// Goroutines in a sentence, the first ones by their numbers.
struct Named<'a>(&'a [GoroutineId]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = &self.0[..self.0.len().min(NAMED_MAX)];
        f.write_str(if named.len() == 1 {
            "goroutine "
        } else {
            "goroutines "
        })?;
        for (place, id) in named.iter().enumerate() {
            write!(f, "{}{id}", if place == 0 { "" } else { ", " })?;
        }
        match self.0.len() - named.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for DeadlockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fatal error: all goroutines are asleep - deadlock!")?;
        for goroutine in self.dump().goroutines() {
            writeln!(f)?;
            self.write(f, goroutine)?;
        }
        for ring in self.cycles() {
            let first = ring.first().into_iter();
            let mut names = ring.iter().chain(first);
            if let (Some(first), Some(second)) = (names.next(), names.next()) {
                write!(f, "\ngoroutine {first} waits for goroutine {second}")?;
                for next in names {
                    write!(f, ", which waits for goroutine {next}")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DeadlockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlockReport")
            .field("goroutines", &self.dump().goroutines().len())
            .field("cycles", &self.cycles())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for DeadlockReport {}
