//! Classic problems of concurrency, each with what goes wrong and what mends it.
//!
//! `cargo run --example classics` tells all of them, `cargo run --example classics --
//! philosophers tickets` some. Each is a module, with its tests.

mod banker;
mod buffers;
mod greedy;
mod hallway;
mod lazy;
mod philosophers;
mod readers;
mod tickets;

use std::env;
use std::process::ExitCode;

const STORIES: &[(&str, fn())] = &[
    ("banker", banker::tell),
    ("buffers", buffers::tell),
    ("greedy", greedy::tell),
    ("hallway", hallway::tell),
    ("lazy", lazy::tell),
    ("philosophers", philosophers::tell),
    ("readers", readers::tell),
    ("tickets", tickets::tell),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let names: Vec<&str> = STORIES.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        eprintln!(
            "there is no story {unknown:?}; there are {}",
            names.join(", ")
        );
        return ExitCode::FAILURE;
    }
    for (name, tell) in STORIES {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            println!("{name}");
            tell();
        }
    }
    ExitCode::SUCCESS
}
