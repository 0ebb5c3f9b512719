//! `GORGEDEBUG=schedtrace=1000[,scheddetail=1]`: a line on the scheduler's state
//! every so many milliseconds, in Go's words, so that tools for those read it.

use crate::fault;
use crate::metrics::RuntimeMetrics;
use crate::primitive::atomic::Ordering;
use crate::scheduler::Shared;
use std::fmt::Write;
use std::time::Duration;

/// What `GORGEDEBUG` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceOptions {
    interval: Option<Duration>,
    detail: bool,
}

impl TraceOptions {
    /// Reads a value of `GORGEDEBUG`: `name=number` pairs, comma-separated. As in
    /// Go, what it does not know is for somebody else.
    pub(crate) fn parse(value: &str) -> TraceOptions {
        let mut options = TraceOptions::default();
        for pair in value.split(',') {
            match pair.split_once('=') {
                Some(("schedtrace", number)) => {
                    options.interval = number
                        .parse()
                        .ok()
                        .filter(|&ms| ms > 0)
                        .map(Duration::from_millis);
                }
                Some(("scheddetail", number)) => options.detail = number != "0",
                _ => {}
            }
        }
        options
    }
}

/// Prints the trace when it is due.
pub(super) struct SchedTrace {
    options: TraceOptions,
    next_at: u64,
}

impl SchedTrace {
    pub(super) fn new(options: TraceOptions) -> SchedTrace {
        SchedTrace {
            options,
            next_at: 0,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.options.interval.is_some()
    }

    /// How long the monitor may sleep at most.
    pub(super) fn limit(&self, delay: Duration, now: u64) -> Duration {
        if self.is_on() {
            delay.min(Duration::from_nanos(self.next_at.saturating_sub(now)))
        } else {
            delay
        }
    }

    pub(super) fn look(&mut self, shared: &Shared, now: u64) {
        let Some(interval) = self.options.interval else {
            return;
        };
        if now >= self.next_at {
            self.next_at = now + u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
            let text = describe(shared, now, self.options.detail);
            fault::print(text.as_bytes());
        }
    }
}

/// The trace at this moment.
fn describe(shared: &Shared, now: u64, detail: bool) -> String {
    let metrics = RuntimeMetrics::read(shared);
    let sizes: Vec<_> = metrics
        .workers
        .iter()
        .map(|worker| worker.local_queue)
        .collect();
    let ticks: Vec<_> = metrics.workers.iter().map(|worker| worker.runs).collect();
    let mut text = format!(
        "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={} needspinning=0 \
         idlethreads={} runqueue={} {} schedticks={}",
        now / 1_000_000,
        metrics.max_procs,
        metrics.idle_procs,
        metrics.threads,
        shared.permits.searching(),
        metrics
            .workers
            .iter()
            .filter(|worker| !worker.is_active)
            .count(),
        metrics.global_queue,
        list(&sizes),
        list(&ticks),
    );
    if detail {
        let _ = write!(
            text,
            " gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false"
        );
    }
    text.push('\n');
    if detail {
        describe_machines(shared, &mut text);
        describe_goroutines(shared, &mut text);
    }
    text
}

/// `[ 1 2 ]`.
fn list<N: std::fmt::Display>(numbers: &[N]) -> String {
    let mut text = String::from("[");
    for number in numbers {
        let _ = write!(text, " {number}");
    }
    text + " ]"
}

fn describe_machines(shared: &Shared, text: &mut String) {
    for slot in shared.slots.iter() {
        let index = slot.number() - 1;
        let _ = writeln!(
            text,
            "  P{index}: status={} schedtick={} syscalltick={} m={index} runqsize={} gfreecnt=0 \
             timerslen={}",
            slot.standing.load(Ordering::Relaxed),
            slot.processor.tick(),
            slot.blocking_steps() / 2,
            slot.processor.queued(),
            slot.processor.timers.len(),
        );
    }
    for slot in shared.slots.iter() {
        let index = slot.number() - 1;
        let running = slot.running();
        // SAFETY: the store keeps all Gs while the runtime is there.
        let running = running.map(|g| unsafe { g.as_ref() }.id().as_u64());
        let _ = writeln!(
            text,
            "  M{index}: p={index} curg={} mallocing=0 throwing=0 preemptoff= locks=0 dying=0 \
             spinning=false blocked={} lockedg=nil",
            running.map_or("nil".to_owned(), |id| id.to_string()),
            running.is_none(),
        );
    }
}

fn describe_goroutines(shared: &Shared, text: &mut String) {
    for goroutine in crate::dump::GoroutineDump::take(shared, false).goroutines() {
        let _ = writeln!(
            text,
            "  G{}: status={} m=nil lockedm=nil",
            goroutine.id, goroutine.state
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_as_go_reads_its() {
        let read = TraceOptions::parse;
        assert_eq!(read(""), TraceOptions::default());
        assert_eq!(read("other=1,schedtrace=x"), TraceOptions::default());
        assert_eq!(read("schedtrace=0"), TraceOptions::default());
        let full = read("schedtrace=250,scheddetail=1");
        assert_eq!(full.interval, Some(Duration::from_millis(250)));
        assert!(full.detail);
        assert!(!read("schedtrace=5").detail);
    }

    #[test]
    fn lists_look_as_in_go() {
        assert_eq!(list(&[6, 11]), "[ 6 11 ]");
    }
}
