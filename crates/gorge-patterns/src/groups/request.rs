//! `requests`: questions to a goroutine, and answers, with a limit of time.
//!
//! **Problem.** One goroutine has something that others ask for. Each question wants an
//! answer of its own, and whoever asks will not wait for ever.
//!
//! ```text
//!   Asker::ask ──► [ question, way back ] ──► requests ──► Request::answer
//!       ▲                                                     │
//!       └────────────────── a channel for one answer ◄────────┘
//! ```
//!
//! **Who closes what.** The channel of questions ends with the last [`Asker`], and whoever
//! answers sees the end. A request that is dropped without an answer tells its asker so.
//! **Cancelled** by the asker's context: then the answer, if there is one later, is handed
//! back to whoever gave it.

use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, bounded, select_biased};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;
use thiserror::Error;

/// Asks questions; made by [`requests`]. Clones ask the same party.
pub struct Asker<Q, A> {
    questions: Sender<Request<Q, A>>,
}

/// A question, and the right to answer it.
pub struct Request<Q, A> {
    question: Q,
    answer: Sender<A>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The context was done, or the time was over, before there was an answer.
    #[error("there was no answer in time: {0}")]
    Cancelled(ContextError),
    /// Nobody receives requests any more.
    #[error("nobody answers any more")]
    Closed,
    /// The request was dropped without an answer.
    #[error("the request was dropped without an answer")]
    Unanswered,
}

/// Makes the two ends: one asks, the other receives requests. `waiting` of them may wait
/// before an asker waits itself; 0 is a rendezvous.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::requests;
/// use std::time::Duration;
///
/// let (asker, inbox) = requests::<String, usize>(0);
/// let server = gorge_runtime::go(move || {
///     for request in inbox {
///         let length = request.len();
///         // The asker may have left: then the answer comes back.
///         let _ = request.answer(length);
///     }
/// });
/// assert_eq!(asker.ask(&context::background(), "four".to_owned()), Ok(4));
/// assert_eq!(asker.ask_timeout(Duration::from_secs(60), "seven!!".to_owned()), Ok(7));
/// drop(asker);
/// server.join().unwrap();
/// ```
#[must_use]
pub fn requests<Q, A>(waiting: usize) -> (Asker<Q, A>, Receiver<Request<Q, A>>) {
    let (questions, inbox) = bounded(waiting);
    (Asker { questions }, inbox)
}

impl<Q, A> Asker<Q, A> {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If the context is done before, or nobody answers.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the request's answer is of no use then.
    pub fn ask(&self, ctx: &Context, question: Q) -> Result<A, AskError> {
        let cancelled = || {
            Err(AskError::Cancelled(
                ctx.err().unwrap_or(ContextError::Canceled),
            ))
        };
        if ctx.err().is_some() {
            return cancelled();
        }
        let (answer, answers) = bounded(1);
        let request = Request { question, answer };
        let sent = select_biased! {
            send(self.questions, request) -> sent => sent.is_ok(),
            recv(ctx.done()) -> _ => return cancelled(),
        };
        if !sent {
            return Err(AskError::Closed);
        }
        select_biased! {
            recv(answers) -> answer => answer.map_err(|_| AskError::Unanswered),
            recv(ctx.done()) -> _ => cancelled(),
        }
    }

    /// As [`ask`](Asker::ask), with a limit of time.
    ///
    /// # Errors
    ///
    /// As for [`ask`](Asker::ask).
    ///
    /// # Cancellation
    ///
    /// As for [`ask`](Asker::ask).
    pub fn ask_timeout(&self, timeout: Duration, question: Q) -> Result<A, AskError> {
        let (ctx, _guard) = gorge_channel::context::background().with_timeout(timeout);
        self.ask(&ctx, question)
    }
}

impl<Q, A> Request<Q, A> {
    /// The question.
    pub fn question(&self) -> &Q {
        &self.question
    }

    /// Whether the asker has left, so that an answer is of no use.
    pub fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    /// Answers.
    ///
    /// # Errors
    ///
    /// The answer, if the asker has left.
    pub fn answer(self, answer: A) -> Result<(), A> {
        self.answer
            .try_send(answer)
            .map_err(|error| error.into_inner())
    }

    /// The question by value, and the right to answer.
    pub fn split(self) -> (Q, Request<(), A>) {
        let Request { question, answer } = self;
        (
            question,
            Request {
                question: (),
                answer,
            },
        )
    }
}

impl<Q, A> Deref for Request<Q, A> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.question
    }
}

impl<Q, A> Clone for Asker<Q, A> {
    fn clone(&self) -> Asker<Q, A> {
        Asker {
            questions: self.questions.clone(),
        }
    }
}

impl<Q, A> fmt::Debug for Asker<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Asker { .. }")
    }
}

impl<Q: fmt::Debug, A> fmt::Debug for Request<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.question).finish()
    }
}
