//! A client of an API with limits in several tiers: so many calls a second, so many a minute, so
//! many of each kind, and so many at a time.
//!
//! ```sh
//! cargo run --example api_client -- --per-second 5 --disk 2 Cargo.toml README.md localhost:80
//! ```
//!
//! Each argument is a call: an address with a port is resolved, anything else is read as a file.
//! A line is printed for each, in order: when it was made, what it was, and what came of it.
//!
//! * [`args`]: what the command line says.
//! * [`connection`]: the calls, behind their limits.

mod args;
mod connection;

use args::{Call, Options};
use connection::{Connection, Reply};
use gorge::context::{self, Context};
use gorge::patterns::Traced;
use gorge::{go, time};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match gorge::run(|| run(&options, &mut io::stdout().lock())) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes all calls, prints what came of them, and returns how many failed.
fn run(options: &Options, output: &mut impl Write) -> io::Result<usize> {
    let (context, _guard) = match options.timeout {
        Some(timeout) => context::background().with_timeout(timeout),
        None => context::background().with_cancel(),
    };
    let connection = Connection::open(options);
    let start = time::now();
    let calls: Vec<_> = options
        .calls
        .iter()
        .map(|call| {
            let (connection, context, call) = (connection.clone(), context.clone(), call.clone());
            go(move || {
                let reply = make(&connection, &context, &call);
                (call, reply, time::now() - start)
            })
        })
        .collect();
    let mut failures = 0;
    for call in calls {
        let (call, reply, after) = call.join().map_err(io::Error::other)?;
        failures += usize::from(reply.is_err());
        print(output, &call, &reply, after)?;
    }
    Ok(failures)
}

fn make(connection: &Connection, context: &Context, call: &Call) -> Result<Reply, Traced> {
    match call {
        Call::Read(path) => connection.read(context, path),
        Call::Resolve(address) => connection.resolve(context, address),
    }
}

fn print(
    output: &mut impl Write,
    call: &Call,
    reply: &Result<Reply, Traced>,
    after: Duration,
) -> io::Result<()> {
    write!(output, "{:>8.3} s  {call}: ", after.as_secs_f64())?;
    match reply {
        Ok(reply) => writeln!(output, "{reply}"),
        // The sentence for whoever called; the detail goes to standard error.
        Err(error) => writeln!(output, "{}", error.report()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorge::sim;
    use std::path::PathBuf;

    /// A file of so many bytes, which goes with this.
    struct File(PathBuf);

    impl File {
        fn of(name: &str, bytes: usize) -> File {
            let name = format!("gorge-api-client-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, vec![b'x'; bytes]).expect("there is room");
            File(path)
        }

        fn path(&self) -> &str {
            self.0.to_str().expect("it is text")
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// The times and replies that are printed, in virtual time.
    fn lines(arguments: &[&str]) -> Vec<(String, String)> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let printed = sim::run(1, move || {
            let options = Options::parse(arguments.into_iter()).expect("they are fine");
            let mut printed = Vec::new();
            run(&options, &mut printed).expect("a vector takes all");
            printed
        });
        let printed = String::from_utf8(printed).expect("it is text");
        let parts = printed.lines().map(|line| {
            let (time, rest) = line.split_once(" s  ").expect("a time");
            let reply = rest.split_once(": ").expect("a reply").1;
            (time.trim().to_owned(), reply.to_owned())
        });
        parts.collect()
    }

    fn times(arguments: &[&str]) -> Vec<String> {
        let mut times: Vec<_> = lines(arguments).into_iter().map(|line| line.0).collect();
        times.sort();
        times
    }

    const ADDRESS: &str = "127.0.0.1:80";

    #[test]
    fn calls_are_made_and_answered() {
        let file = File::of("answered", 12);
        let replies = lines(&[file.path(), ADDRESS, "/no/such/file"]);
        assert_eq!(replies[0].1, "12 bytes");
        assert_eq!(replies[1].1, "127.0.0.1:80");
        assert!(
            replies[2].1.starts_with("The file cannot be read. ["),
            "{replies:?}"
        );
    }

    #[test]
    fn the_limit_per_second_spaces_calls() {
        let made = times(&["--per-second", "2", ADDRESS, ADDRESS, ADDRESS, ADDRESS]);
        assert_eq!(made, ["0.000", "0.500", "1.000", "1.500"]);
    }

    #[test]
    fn the_limit_per_minute_holds_beside_the_one_per_second() {
        let calls = [ADDRESS; 5];
        let options = ["--per-second", "10", "--per-minute", "3"];
        let made = times(&[&options[..], &calls[..]].concat());
        // Three at once but for the tenths of a second, and then one in twenty seconds.
        assert_eq!(made, ["0.000", "0.100", "0.200", "20.000", "40.000"]);
    }

    #[test]
    fn each_kind_has_a_limit_of_its_own_and_the_common_one() {
        let file = File::of("kinds", 1);
        let options = ["--per-second", "100", "--disk", "1", "--network", "4"];
        let calls = [file.path(), file.path(), ADDRESS, ADDRESS];
        let lines = lines(&[&options[..], &calls[..]].concat());
        let mut seconds: Vec<f64> = lines
            .iter()
            .map(|line| line.0.parse().expect("a number"))
            .collect();
        seconds[..2].sort_by(f64::total_cmp);
        seconds[2..].sort_by(f64::total_cmp);
        assert!(seconds[1] >= 1.0 && seconds[1] < 1.1, "{seconds:?}");
        assert!(seconds[3] >= 0.25 && seconds[3] < 0.35, "{seconds:?}");
    }

    #[test]
    fn what_cannot_be_made_in_time_is_not_waited_for() {
        let options = ["--per-second", "1", "--timeout", "1.5"];
        let lines = lines(&[&options[..], &[ADDRESS; 4][..]].concat());
        let late = lines
            .iter()
            .filter(|line| line.1.starts_with("There is no time for this call."));
        assert_eq!(late.clone().count(), 2, "{lines:?}");
        assert!(late.clone().all(|line| line.0 == "0.000"), "{lines:?}");
    }

    #[test]
    fn it_does_the_same_on_a_real_runtime() {
        let file = File::of("real", 3);
        let options = ["--per-second", "1000", file.path(), ADDRESS];
        let options =
            Options::parse(options.into_iter().map(str::to_owned)).expect("they are fine");
        let mut printed = Vec::new();
        let failures = gorge::run(|| run(&options, &mut printed)).expect("a vector takes all");
        assert_eq!(failures, 0);
        assert!(String::from_utf8_lossy(&printed).contains("3 bytes"));
    }
}
