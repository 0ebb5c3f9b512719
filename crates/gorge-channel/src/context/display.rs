//! How a context came about, as Go tells it: `context.Background.WithCancel`.
//!
//! Of a value its type is shown. No lock is taken, and no foreign code runs but that of the
//! formatter.

use super::Context;
use super::node::{Carried, Deadline, Kind, Node};
use gorge_runtime::time;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How each context came about:
/// `context.Background.WithDeadline(2026-11-22 10:15:30.500 UTC [59.999s]).WithValue(type u64)`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes: Vec<&Node> = vec![&self.node];
        while let Some(parent) = nodes.last().and_then(|node| node.parent()) {
            nodes.push(parent);
        }
        f.write_str("context")?;
        nodes.iter().rev().try_for_each(|node| derivation(node, f))
    }
}

/// As it is displayed.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn derivation(node: &Node, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &node.kind {
        Kind::Background => f.write_str(".Background"),
        Kind::Todo => f.write_str(".TODO"),
        Kind::Cancel => f.write_str(".WithCancel"),
        Kind::Deadline(deadline) => with_deadline(deadline, f),
        Kind::Value(value) => write!(f, ".WithValue(type {})", Carried::name(&**value)),
        Kind::WithoutCancel => f.write_str(".WithoutCancel"),
        Kind::Keeper(_) => f.write_str(".FromDone"),
        Kind::AfterFunc(_) => f.write_str(".AfterFunc"),
    }
}

/// The time, and what is left of it.
fn with_deadline(deadline: &Deadline, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(".WithDeadline(")?;
    date(time::system_time(deadline.at), f)?;
    let now = time::now();
    match deadline.at.checked_duration_since(now) {
        Some(left) => write!(f, " [{left:?}])"),
        None => write!(f, " [-{:?}])", now.saturating_duration_since(deadline.at)),
    }
}

/// A date of the Gregorian calendar. The year is taken to begin in March, so that a leap day
/// is its last; four hundred of these have always the same number of days.
fn date(time: SystemTime, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DAYS: u64 = 146_097;
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO);
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    // From the first of March of the year zero on.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / DAYS, days % DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / (DAYS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = match month {
        0..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    write!(
        f,
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC"
    )
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::date;
    use std::fmt;
    use std::time::{Duration, SystemTime};

    struct At(u64);

    impl fmt::Display for At {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            date(SystemTime::UNIX_EPOCH + Duration::from_millis(self.0), f)
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (946_684_799_999, "1999-12-31 23:59:59.999 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00.000 UTC"),
            (951_868_800_000, "2000-03-01 00:00:00.000 UTC"),
            (1_709_164_800_000, "2024-02-29 00:00:00.000 UTC"),
            (1_735_689_599_001, "2024-12-31 23:59:59.001 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000 UTC"),
        ];
        for (millis, text) in dates {
            assert_eq!(At(millis).to_string(), text);
        }
    }
}
