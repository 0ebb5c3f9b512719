//! What a row's name says: `bounded1_mpmc_big` is the work `mpmc` on a channel with room for one
//! message, with big messages. Without a third part, messages are words. The four workloads have names
//! of their own.

/// What travels through the channels. Always the same value, so that making one costs nothing.
pub trait Message: Copy + Send + Sync + 'static {
    /// The value.
    const VALUE: Self;
}

impl Message for () {
    const VALUE: () = ();
}

impl Message for usize {
    const VALUE: usize = 1;
}

impl Message for [usize; 4] {
    const VALUE: [usize; 4] = [1; 4];
}

/// Which [`Message`] a row sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// `()`
    Empty,
    /// `usize`
    Word,
    /// `[usize; 4]`
    Big,
}

/// Who sends what to whom. N messages in all, on one channel unless something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One party sends all, then receives all.
    Seq,
    /// One sender, one receiver.
    Spsc,
    /// A crowd of senders, one receiver.
    Mpsc,
    /// A crowd of senders, a crowd of receivers.
    Mpmc,
    /// A crowd of senders with a channel each, one receiver that selects.
    SelectRx,
    /// A crowd of channels, a crowd that selects where to send, a crowd that selects where to receive.
    SelectBoth,
    /// N round trips over two channels between two parties.
    PingPong,
    /// Two senders with a channel each, one receiver that selects among these and one that nobody uses.
    SelectThree,
}

/// One row: the work, on what kind of channel, with which and how many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who sends what to whom.
    pub work: Work,
    /// How many messages a channel has room for; nothing if there is no limit.
    pub room: Option<usize>,
    /// The messages.
    pub load: Load,
    /// How many messages, or round trips.
    pub count: usize,
}

impl Row {
    /// The row called `name`, with `count` messages; nothing if there is none of that name.
    pub fn parse(name: &str, count: usize) -> Option<Row> {
        let row = |work, room, load| Row {
            work,
            room,
            load,
            count,
        };
        match name {
            "pingpong" => return Some(row(Work::PingPong, Some(0), Load::Word)),
            "prodcons" => return Some(row(Work::Spsc, Some(100), Load::Word)),
            "mpmc" => return Some(row(Work::Mpmc, Some(128), Load::Word)),
            "select" => return Some(row(Work::SelectThree, Some(0), Load::Word)),
            _ => {}
        }
        let (kind, name) = name.split_once('_')?;
        let room = match kind {
            "bounded0" => Some(0),
            "bounded1" => Some(1),
            "boundedn" => Some(count),
            "unbounded" => None,
            _ => return None,
        };
        match name {
            "select_rx" => return Some(row(Work::SelectRx, room, Load::Word)),
            "select_both" => return Some(row(Work::SelectBoth, room, Load::Word)),
            _ => {}
        }
        let (work, load) = match name.split_once('_') {
            None => (name, Load::Word),
            Some((work, "empty")) => (work, Load::Empty),
            Some((work, "usize")) => (work, Load::Word),
            Some((work, "big")) => (work, Load::Big),
            Some(_) => return None,
        };
        let work = match work {
            "seq" if matches!(kind, "boundedn" | "unbounded") => Work::Seq,
            "spsc" => Work::Spsc,
            "mpsc" => Work::Mpsc,
            "mpmc" => Work::Mpmc,
            _ => return None,
        };
        Some(row(work, room, load))
    }
}
