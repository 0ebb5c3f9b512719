//! The commands of this repository, run as `cargo xtask COMMAND`.
//!
//! A command is a function from its arguments to success or a [`Failure`], which decides the exit code:
//! 1 for a check that failed, 2 for a command line we do not understand, 130 after an interrupt.

mod bench;
mod ci;
mod finding;
mod flags;
mod instructions;
mod layers;
mod line;
mod loom;
mod sanitizer;
mod step;
mod stress;
mod suite;
mod tally;
mod tidy;
mod trial;
mod workspace;

use finding::Verdict;
use sanitizer::Sanitizer;
use std::env;
use std::io;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
enum Failure {
    /// A check failed, and its output says why.
    Reported,
    /// The command line is wrong; one line that says what to write.
    Usage(String),
    /// We were asked to stop.
    Interrupted,
    /// Something we needed did not work.
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Broken(error)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Broken(error)) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let root = workspace::root();
    let (command, arguments) = match arguments {
        [] => ("help", arguments),
        [command, arguments @ ..] => (command.as_str(), arguments),
    };
    match command {
        "ci" => ci::run(&root, arguments),
        "tidy" => {
            expect_none(command, arguments)?;
            print!("{}", tidy::exceptions());
            report(&tidy::check(&root)?)
        }
        "layers" => {
            expect_none(command, arguments)?;
            report(&layers::check(&root)?)
        }
        "loom" => loom::run(&root, arguments),
        "tsan" => sanitizer::run(&root, Sanitizer::Thread, arguments),
        "asan" => sanitizer::run(&root, Sanitizer::Address, arguments),
        "stress" => stress::run(&root, arguments),
        "bench" => bench::run(&root, arguments),
        "instructions" => instructions::run(&root, arguments),
        "help" | "--help" | "-h" => {
            print!("{}", help());
            Ok(())
        }
        _ => Err(Failure::Usage(format!(
            "there is no command `{command}`; see `cargo xtask help`"
        ))),
    }
}

fn expect_none(command: &str, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => Ok(()),
        [first, ..] => Err(Failure::Usage(format!(
            "{command} takes no arguments, so leave out `{first}`"
        ))),
    }
}

fn report(verdict: &Verdict) -> Result<(), Failure> {
    println!("{verdict}");
    if verdict.passed() {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

fn help() -> String {
    format!(
        "\
cargo xtask ci [FLAGS]   run every check, stop at the first that fails
    --only STEP[,STEP]     run these steps alone
    --list                 list the steps and their commands
    --verbose              show all output as it comes
    --time-limit SECONDS   kill a step that takes longer (900)
cargo xtask tidy         check the rules of style over all files
cargo xtask layers       check that crates depend only on layers below them
cargo xtask loom [FLAGS] run the models, which go through all interleavings
    --only CRATE[,CRATE]   those of these crates alone
    --preemptions N        how often a thread may be stopped (2)
    --time-limit SECONDS   kill a crate's models that take longer (900)
cargo xtask tsan [FLAGS] run the tests under ThreadSanitizer
cargo xtask asan [FLAGS] run the tests under AddressSanitizer
    --only CRATE[,CRATE]   those of these crates alone
    --seconds N            stress tests go on for so long
    --time-limit SECONDS   kill a test binary that takes longer (900)
cargo xtask stress [FLAGS]
                         run the stress tests, then all tests in rounds
    --only CRATE[,CRATE]   those of these crates alone
    --seconds N            how long each of the two parts goes on (60)
    --sanitizer tsan|asan  build them with a sanitizer
    --time-limit SECONDS   kill a test binary that takes longer (900)
cargo xtask instructions [--update]
                         compare instructions per operation with the checked-in file
cargo xtask bench peers|channels|scaling|latency|memory [FLAGS]
                         compare gorge with Go and with other crates
    --rounds N             how often everybody does every row (5)
    --only PART[,PART]     rows of this name, or with this in their names
    --peers NAME[,NAME]    gorge and these peers alone
    --scale F              multiply the counts
    --threads-only         leave out what runs on goroutines or tasks
    --time-limit SECONDS   kill a program that takes longer (60)
    --json FILE            write the figures for machines, too
cargo xtask bench criterion [FLAGS]
                         run the criterion benches with and without LTO
    --only NAME[,NAME]     these files of benches/benches alone
    --rounds N             how often each runs in both profiles (3)
    --seconds F            measure each bench for so long
cargo xtask help         show this text

Steps of ci:
{}",
        ci::list()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_error(line: &str) -> String {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        match run(&arguments) {
            Err(Failure::Usage(message)) => message,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_not_understood_is_one_line_with_a_way_out() {
        for (line, expected) in [
            ("cy", "there is no command `cy`; see `cargo xtask help`"),
            (
                "tidy --fix",
                "tidy takes no arguments, so leave out `--fix`",
            ),
            ("layers x", "layers takes no arguments, so leave out `x`"),
            (
                "ci --fast",
                "ci has no flag `--fast`; see `cargo xtask help`",
            ),
            (
                "bench",
                "bench: name a suite, one of peers, channels, scaling, latency, memory, criterion, \
                 such as `cargo xtask bench peers`",
            ),
            (
                "bench channels --fast",
                "bench has no flag `--fast`; see `cargo xtask help`",
            ),
        ] {
            assert_eq!(usage_error(line), expected);
        }
    }

    #[test]
    fn help_names_every_command_and_step() {
        let help = help();
        for word in [
            "ci",
            "tidy",
            "layers",
            "loom",
            "tsan",
            "asan",
            "stress",
            "bench",
            "instructions",
            "test-debug",
        ] {
            assert!(
                help.contains(&format!("  {word} ")) || help.contains(&format!("xtask {word} ")),
                "{word}"
            );
        }
        for word in [
            "--only",
            "--list",
            "--seconds",
            "--preemptions",
            "--sanitizer",
            "--threads-only",
            "--json",
        ] {
            assert!(help.contains(word), "{word}");
        }
    }
}
