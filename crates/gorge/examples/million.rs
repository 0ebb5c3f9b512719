//! A million goroutines parked at once: what each costs in memory and time.
//!
//! `million [--count N] [--reserve BYTES[K|M]] [--protect]`: starts N goroutines
//! that wait on one channel, prints the memory per goroutine (resident pages
//! and page tables) and the time per spawn, then wakes and joins all.
//! `--protect` forces guard pages by `mprotect`, whose number the kernel limits.

#![allow(clippy::disallowed_methods, reason = "the example measures real time")]

use gorge::channel::bounded;
use gorge::{GoroutineState, JoinHandle, Runtime, go, yield_now};
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Options {
    count: usize,
    reserve: usize,
    protect: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(options) => run(&options),
        Err(problem) => {
            eprintln!(
                "million: {problem} (usage: million [--count N] [--reserve BYTES[K|M]] [--protect])"
            );
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        count: 1_000_000,
        reserve: 256 * 1024,
        protect: false,
    };
    while let Some(flag) = arguments.next() {
        match &*flag {
            "--count" => options.count = number(arguments.next(), "--count")?,
            "--reserve" => options.reserve = number(arguments.next(), "--reserve")?,
            "--protect" => options.protect = true,
            _ => return Err(format!("unknown argument {flag:?}")),
        }
    }
    Ok(options)
}

fn number(text: Option<String>, flag: &str) -> Result<usize, String> {
    let text = text.ok_or(format!("{flag} takes a number"))?;
    let (digits, factor) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1024),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1024 * 1024),
            None => (&*text, 1),
        },
    };
    let number: Option<usize> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(factor));
    bytes.ok_or(format!("{flag} takes a number, not {text:?}"))
}

fn run(options: &Options) -> ExitCode {
    let mut builder = Runtime::builder().stack_reserve(options.reserve);
    if options.protect {
        builder = builder.protected_guards();
    }
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("million: {error}");
            return ExitCode::from(2);
        }
    };
    let before = memory();
    let (gate, arrivals) = bounded::<()>(0);
    let start = Instant::now();
    let handles = runtime.run(|| {
        let mut handles = Vec::with_capacity(options.count);
        for _ in 0..options.count {
            let arrivals = arrivals.clone();
            handles.push(go(move || arrivals.recv().is_err()));
        }
        handles
    });
    wait_until_parked(&runtime);
    let spawned = start.elapsed();
    report(&runtime, options, before, &handles, spawned);

    let start = Instant::now();
    gate.close();
    let results = runtime.run(|| {
        handles
            .into_iter()
            .map(JoinHandle::join)
            .collect::<Vec<_>>()
    });
    let woken = results
        .iter()
        .filter(|result| matches!(result, Ok(true)))
        .count();
    println!("woken and joined    {woken} in {:.2?}", start.elapsed());
    match results.into_iter().find_map(Result::err) {
        None => ExitCode::SUCCESS,
        Some(error) => {
            eprintln!(
                "million: {} were not started, the first because: {error}",
                options.count - woken
            );
            ExitCode::FAILURE
        }
    }
}

/// Waits until every goroutine that is left waits for the gate.
fn wait_until_parked(runtime: &Runtime) {
    let is_parked = |state| matches!(state, GoroutineState::Waiting(_));
    while !runtime
        .dump_states()
        .goroutines()
        .iter()
        .all(|g| is_parked(g.state))
    {
        yield_now();
    }
}

fn report(
    runtime: &Runtime,
    options: &Options,
    before: usize,
    handles: &[JoinHandle<bool>],
    spawned: Duration,
) {
    let parked = runtime.num_goroutines();
    let bytes = memory().saturating_sub(before + size_of_val(handles));
    println!("parked goroutines   {parked}");
    println!("stack reserve       {} KiB", options.reserve / 1024);
    println!(
        "memory              {} bytes per goroutine, and {} for its join handle",
        bytes / parked.max(1),
        size_of::<JoinHandle<bool>>()
    );
    println!(
        "time per spawn      {:.0?}",
        spawned / options.count.max(1) as u32
    );
}

/// Resident memory and page tables of this process, in bytes.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    };
    ["VmRSS:", "VmPTE:"]
        .into_iter()
        .filter_map(kibibytes)
        .sum::<usize>()
        * 1024
}
