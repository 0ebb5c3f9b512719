//! The errors: texts, questions, conversions.

use super::channel::{
    ReadyTimeoutError, Receiver, RecvError, RecvTimeoutError, SelectTimeoutError, SendError,
    SendTimeoutError, Sender, TryReadyError, TryRecvError, TrySelectError, TrySendError, bounded,
    unbounded,
};
use crate::Notes;
use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

fn texts(error: impl Error) -> String {
    let source = error.source().is_some();
    format!("{error}|{error:?}|{error:#?}|{error:60}|{error:>30?}|{source}")
}

pub(crate) fn errors_say_what_happened(notes: &mut Notes) {
    struct Mute;
    note!(notes: texts(SendError(Mute)));
    note!(notes: texts(TrySendError::Full(Mute)), texts(TrySendError::Disconnected(Mute)));
    note!(notes: texts(SendTimeoutError::Timeout(Mute)));
    note!(notes: texts(SendTimeoutError::Disconnected(Mute)));
    note!(notes: texts(RecvError));
    note!(notes: texts(TryRecvError::Empty), texts(TryRecvError::Disconnected));
    note!(notes: texts(RecvTimeoutError::Timeout), texts(RecvTimeoutError::Disconnected));
    note!(notes: texts(TrySelectError), texts(SelectTimeoutError));
    note!(notes: TryReadyError, ReadyTimeoutError);
}

pub(crate) fn errors_convert_and_answer(notes: &mut Notes) {
    fn plain<E: Clone + Copy + PartialEq + Eq + Debug + Send + Sync + 'static>(error: E) -> bool {
        let copy = error;
        error == copy
    }
    note!(notes: plain(SendError(1)), plain(TrySendError::Full(1)));
    note!(notes: plain(SendTimeoutError::Timeout(1)), plain(RecvError));
    note!(notes: plain(TryRecvError::Empty), plain(RecvTimeoutError::Timeout));
    note!(notes: plain(TrySelectError), plain(SelectTimeoutError));
    note!(notes: plain(TryReadyError), plain(ReadyTimeoutError));

    let texts = || [String::from("one"), String::from("two")];
    for text in texts() {
        note!(notes: SendError(text.clone()).into_inner(), SendError(text.clone()).0);
        let converted: TrySendError<String> = SendError(text.clone()).into();
        note!(notes: converted, converted.is_full(), converted.is_disconnected());
        note!(notes: converted == TrySendError::Disconnected(text.clone()));
        note!(notes: converted.into_inner());
        let converted = SendTimeoutError::from(SendError(text.clone()));
        note!(notes: converted, converted.is_timeout(), converted.is_disconnected());
        note!(notes: converted.clone().into_inner(), converted == SendTimeoutError::Timeout(text));
    }
    let full = TrySendError::Full(7);
    note!(notes: full.is_full(), full.is_disconnected(), full.into_inner());
    let timeout = SendTimeoutError::Timeout(7);
    note!(notes: timeout.is_timeout(), timeout.is_disconnected(), timeout.into_inner());
    for error in [
        TryRecvError::Empty,
        TryRecvError::Disconnected,
        RecvError.into(),
    ] {
        note!(notes: error, error.is_empty(), error.is_disconnected());
    }
    for error in [
        RecvTimeoutError::Timeout,
        RecvTimeoutError::Disconnected,
        RecvError.into(),
    ] {
        note!(notes: error, error.is_timeout(), error.is_disconnected());
    }
}

fn relay(from: &Receiver<i32>, to: &Sender<i32>) -> Result<i32, Box<dyn Error + Send + Sync>> {
    let value = from.recv()?;
    to.send(value)?;
    to.try_send(value)?;
    to.send_timeout(value, Duration::from_millis(1))?;
    from.try_recv()?;
    from.recv_timeout(Duration::from_millis(1))?;
    Ok(value)
}

pub(crate) fn errors_travel_in_boxes_and_question_marks(notes: &mut Notes) {
    let text =
        |result: Result<i32, Box<dyn Error + Send + Sync>>| result.map_err(|e| e.to_string());
    for capacity in 1..=3 {
        for count in 0..=3 {
            let ((feed, from), (to, sink)) = (unbounded(), bounded(capacity));
            (0..count).for_each(|number| feed.send(number).unwrap());
            note!(notes: capacity, count);
            let gone = count == 0;
            if gone {
                drop(feed);
            }
            note!(notes: text(relay(&from, &to)));
            note!(notes: sink.try_iter().collect::<Vec<_>>());
        }
    }
    fn polled(from: &Receiver<i32>) -> Result<i32, TryRecvError> {
        Ok(from.recv()? + from.try_recv()?)
    }
    fn timed(from: &Receiver<i32>) -> Result<i32, RecvTimeoutError> {
        Ok(from.recv()? + from.recv_timeout(Duration::from_millis(1))?)
    }
    fn pushed(to: &Sender<i32>) -> Result<(), TrySendError<i32>> {
        to.send(1)?;
        to.try_send(2)
    }
    fn hurried(to: &Sender<i32>) -> Result<(), SendTimeoutError<i32>> {
        to.send(3)?;
        to.send_timeout(4, Duration::from_millis(1))
    }
    let (to, from) = bounded(2);
    note!(notes: pushed(&to), polled(&from), hurried(&to), timed(&from));
    to.send(9).unwrap();
    note!(notes: pushed(&to), polled(&from));
    drop(from);
    note!(notes: pushed(&to), hurried(&to));
}
