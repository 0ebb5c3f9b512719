//! The three ways to select: `select!`, a `Select` whose choice is completed, and one that
//! only says what is ready. What is promised of all is tested with each of them.

use gorge_channel::{
    Receiver, RecvError, Select, SelectedOperation, SendError, Sender, TryRecvError, TrySendError,
    select,
};
use gorge_runtime::time;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Macro,
    Builder,
    Ready,
}

pub(crate) const WAYS: [Way; 3] = [Way::Macro, Way::Builder, Way::Ready];

/// How long a select waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    None,
    Until(Duration),
    Forever,
}

use Patience::{Forever, None as Never, Until};

/// Which case was done, and how it ended.
pub(crate) type Received<T> = (usize, Result<T, RecvError>);
pub(crate) type Sent<T> = (usize, Result<(), SendError<T>>);

/// What a select of both directions has done.
#[derive(Debug, PartialEq)]
pub(crate) enum Either<T> {
    Received(Result<T, RecvError>),
    Sent(Result<(), SendError<T>>),
}

/// A select of such cases and such patience.
macro_rules! patiently {
    ($patience:expr, $none:expr, $($cases:tt)*) => {
        match $patience {
            Never => select! { $($cases)* default => $none },
            Until(timeout) => select! { $($cases)* default(timeout) => $none },
            Forever => select! { $($cases)* },
        }
    };
}

fn choose<'a>(select: &mut Select<'a>, patience: Patience) -> Option<SelectedOperation<'a>> {
    match patience {
        Never => select.try_select().ok(),
        Until(timeout) => select.select_timeout(timeout).ok(),
        Forever => Some(select.select()),
    }
}

/// Asks what is ready until that can be done; what is ready may be gone the next moment.
fn until_done<R>(
    select: &mut Select<'_>,
    patience: Patience,
    mut attempt: impl FnMut(usize) -> Option<R>,
) -> Option<R> {
    let deadline = match patience {
        Until(timeout) => Some(time::now() + timeout),
        Never | Forever => None,
    };
    loop {
        let index = match (patience, deadline) {
            (Never, _) => select.try_ready().ok()?,
            (_, Some(deadline)) => select.ready_deadline(deadline).ok()?,
            _ => select.ready(),
        };
        if let Some(result) = attempt(index) {
            return Some(result);
        }
    }
}

fn try_receive<T>(receiver: &Receiver<T>) -> Option<Result<T, RecvError>> {
    match receiver.try_recv() {
        Ok(value) => Some(Ok(value)),
        Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
        Err(TryRecvError::Empty) => None,
    }
}

/// Tries with the value that is there, and takes it if it is done.
fn try_send<T>(sender: &Sender<T>, value: &mut Option<T>) -> Option<Result<(), SendError<T>>> {
    match sender.try_send(value.take()?) {
        Ok(()) => Some(Ok(())),
        Err(TrySendError::Disconnected(value)) => Some(Err(SendError(value))),
        Err(TrySendError::Full(back)) => {
            *value = Some(back);
            None
        }
    }
}

impl Way {
    /// Receives from one of one, two or five channels.
    pub(crate) fn receive<T>(
        self,
        from: &[Receiver<T>],
        patience: Patience,
    ) -> Option<Received<T>> {
        match (self, from) {
            (Way::Macro, [one]) => {
                patiently!(patience, None, recv(one) -> value => Some((0, value)),)
            }
            (Way::Macro, [one, two]) => patiently!(patience, None,
                recv(one) -> value => Some((0, value)),
                recv(two) -> value => Some((1, value)),
            ),
            (Way::Macro, [one, two, three, four, five]) => patiently!(patience, None,
                recv(one) -> value => Some((0, value)),
                recv(two) -> value => Some((1, value)),
                recv(three) -> value => Some((2, value)),
                recv(four) -> value => Some((3, value)),
                recv(five) -> value => Some((4, value)),
            ),
            (Way::Macro, _) => unreachable!("so many cases are not written down"),
            (Way::Builder, _) => {
                let mut select = Select::new();
                from.iter().for_each(|it| _ = select.recv(it));
                let operation = choose(&mut select, patience)?;
                let index = operation.index();
                Some((index, operation.recv(&from[index])))
            }
            (Way::Ready, _) => {
                let mut select = Select::new();
                from.iter().for_each(|it| _ = select.recv(it));
                until_done(&mut select, patience, |index| {
                    try_receive(&from[index]).map(|result| (index, result))
                })
            }
        }
    }

    /// Sends to one of one or two channels.
    pub(crate) fn send<T>(self, to: &[Sender<T>], value: T, patience: Patience) -> Option<Sent<T>> {
        match (self, to) {
            (Way::Macro, [one]) => {
                patiently!(patience, None, send(one, value) -> sent => Some((0, sent)),)
            }
            (Way::Macro, [one, two]) => patiently!(patience, None,
                send(one, value) -> sent => Some((0, sent)),
                send(two, value) -> sent => Some((1, sent)),
            ),
            (Way::Macro, _) => unreachable!("so many cases are not written down"),
            (Way::Builder, _) => {
                let mut select = Select::new();
                to.iter().for_each(|it| _ = select.send(it));
                let operation = choose(&mut select, patience)?;
                let index = operation.index();
                Some((index, operation.send(&to[index], value)))
            }
            (Way::Ready, _) => {
                let mut select = Select::new();
                to.iter().for_each(|it| _ = select.send(it));
                let mut value = Some(value);
                until_done(&mut select, patience, |index| {
                    try_send(&to[index], &mut value).map(|result| (index, result))
                })
            }
        }
    }

    /// Receives from one channel or sends to the other.
    pub(crate) fn either<T>(
        self,
        from: &Receiver<T>,
        to: &Sender<T>,
        value: T,
        patience: Patience,
    ) -> Option<Either<T>> {
        let mut select = Select::new();
        let receives = select.recv(from);
        select.send(to);
        match self {
            Way::Macro => patiently!(patience, None,
                recv(from) -> value => Some(Either::Received(value)),
                send(to, value) -> sent => Some(Either::Sent(sent)),
            ),
            Way::Builder => {
                let operation = choose(&mut select, patience)?;
                Some(match operation.index() == receives {
                    true => Either::Received(operation.recv(from)),
                    false => Either::Sent(operation.send(to, value)),
                })
            }
            Way::Ready => {
                let mut value = Some(value);
                until_done(&mut select, patience, |index| match index == receives {
                    true => try_receive(from).map(Either::Received),
                    false => try_send(to, &mut value).map(Either::Sent),
                })
            }
        }
    }
}
