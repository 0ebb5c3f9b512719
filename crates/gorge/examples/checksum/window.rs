//! How far the walk may be ahead of the output: a channel with a token for each
//! batch that may be under way.
//!
//! A [`Ticket`] stands for a token that was taken out. It travels with its batch
//! through the pipeline and puts the token back when it is dropped: after the
//! batch was printed, or with a batch that got lost on the way. So the walk can
//! be held up for a while, but not for ever.

use gorge::channel::{Receiver, Sender, bounded};

/// Where tickets come from.
pub(crate) struct Window {
    give_back: Sender<()>,
    tokens: Receiver<()>,
    next: usize,
}

/// The right to be under way.
pub(crate) struct Ticket {
    /// Which ticket it is, counted from zero.
    pub(crate) number: usize,
    home: Sender<()>,
}

impl Window {
    /// For `size` tickets at a time.
    pub(crate) fn new(size: usize) -> Window {
        let (give_back, tokens) = bounded(size);
        for _ in 0..size {
            give_back.send(()).expect("its receiver is here");
        }
        Window {
            give_back,
            tokens,
            next: 0,
        }
    }

    /// Waits for the next ticket.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tokens.recv().expect("its sender is here");
        let number = self.next;
        self.next += 1;
        Ticket {
            number,
            home: self.give_back.clone(),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // There is room for the token, as it came from there. Without a window
        // nobody needs it.
        let _ = self.home.try_send(());
    }
}
