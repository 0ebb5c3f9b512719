//! A pipeline that is supervised, and heals after faults that are injected into it.
//!
//! ```text
//!   [ source ] ──► orders ──► [ worker 1..3 ] ──► invoices ──► [ ledger ]
//!        ▲                                                        │
//!        └────────────── what is still to be done ◄───────────────┘
//! ```
//!
//! The stages are children of a supervisor, and share nothing but channels and the ledger.
//! A stage that fails loses what it has in its hands; the source, which looks into the ledger
//! when it has sent all, sends again what never arrived. So each item is booked once.
//!
//! `cargo run --example healing -- 1000 panic:17 error:40 stall:300 ledger` handles a thousand
//! items. A worker panics at the 17th, one fails at the 40th and one gets stuck at the 300th,
//! each once; the ledger's goroutine panics half-way. What is healed is printed as it happens.

mod faults;
mod pipeline;

use faults::Faults;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (items, faults) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(text) => {
            eprintln!("{text}\nusage: healing [ITEMS [panic:N | error:N | stall:N | ledger]...]");
            return ExitCode::FAILURE;
        }
    };
    match gorge::run(|| pipeline::run(items, faults, |line| println!("  {line}"))) {
        Ok(report) => {
            println!(
                "{} items booked once each, {} sent again, {} restarts",
                report.booked, report.sent_again, report.restarts
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("given up: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many items, and what is to go wrong.
fn parse(arguments: &[String]) -> Result<(u64, Faults), String> {
    let Some((items, faults)) = arguments.split_first() else {
        return Ok((
            1000,
            Faults::parse(["panic:17", "error:40", "stall:300", "ledger"])?,
        ));
    };
    let number = items.parse();
    let items = number.map_err(|_| format!("{items:?} is no number of items"))?;
    Ok((items, Faults::parse(faults.iter().map(String::as_str))?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn arguments(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_a_number_and_faults() {
        assert_eq!(parse(&[]).unwrap().0, 1000);
        assert_eq!(parse(&arguments("5 panic:1 ledger")).unwrap().0, 5);
        for wrong in ["many", "-1", "5 panic", "5 panic:x", "5 flood:1"] {
            assert!(parse(&arguments(wrong)).is_err(), "{wrong}");
        }
    }
}
