//! `duplex`: two coroutines that talk to each other.
//!
//! **Problem.** A function keeps state between questions, and is easier written as a loop that
//! asks for the next one than as an object that is called: a parser that is fed, a game, the
//! party to a protocol.
//!
//! ```text
//!               ── Q ──►
//!   Pipe<Q, A>            [ function with Pipe<A, Q> ]
//!               ◄── A ──
//! ```
//!
//! **Who closes what.** Each end closes both directions when it is dropped; the function's is
//! dropped when it has returned. **Cancelled** by the context: the operations of both ends then
//! fail, and the function returns by itself.

use super::pipe::send;
use super::stage;
use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, RecvError, SendError, Sender, bounded, select_biased};
use std::fmt;

/// An end of a two-way pipe, which sends `S` and receives `R`; see [`duplex`]. Both
/// directions are rendezvous.
pub struct Pipe<S, R> {
    context: Context,
    sender: Sender<S>,
    receiver: Receiver<R>,
}

impl<S, R> Pipe<S, R> {
    /// Sends a value: waits until the other end receives it.
    ///
    /// # Errors
    ///
    /// If the other end is gone or the context is done; with the value.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn send(&self, value: S) -> Result<(), SendError<S>> {
        send(&self.context, &self.sender, value)
    }

    /// Waits for a value of the other end.
    ///
    /// # Errors
    ///
    /// If the other end is gone or the context is done.
    ///
    /// # Panics
    ///
    /// If the function at the other end has panicked, its panic goes on here.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn recv(&self) -> Result<R, RecvError> {
        if !self.context.is_cancellable() {
            return self.receiver.recv();
        }
        select_biased! {
            recv(self.context.done()) -> _ => Err(RecvError),
            recv(self.receiver) -> received => received,
        }
    }

    /// Sends a value and waits for the next one of the other end: its answer, if the two take
    /// turns.
    ///
    /// # Errors
    ///
    /// If the other end is gone or the context is done.
    ///
    /// # Panics
    ///
    /// If the function at the other end has panicked, its panic goes on here.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn ask(&self, value: S) -> Result<R, RecvError> {
        // If it was not sent, the other end may have said why.
        _ = self.send(value);
        self.recv()
    }
}

/// Runs a function in a goroutine with one end of a two-way pipe, and returns the other end.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::duplex;
///
/// let ctx = context::background();
/// // The average of all numbers so far.
/// let averager = duplex(&ctx, |pipe| {
///     let (mut sum, mut count) = (0.0, 0.0);
///     while let Ok(number) = pipe.recv() {
///         (sum, count) = (sum + number, count + 1.0);
///         if pipe.send(sum / count).is_err() {
///             break;
///         }
///     }
/// });
/// assert_eq!(averager.ask(10.0), Ok(10.0));
/// assert_eq!(averager.ask(20.0), Ok(15.0));
/// assert_eq!(averager.ask(60.0), Ok(30.0));
/// ```
#[track_caller]
pub fn duplex<Q, A, F, R>(ctx: &Context, f: F) -> Pipe<Q, A>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: FnOnce(&Pipe<A, Q>) -> R + Send + 'static,
{
    let (questions, asked) = bounded(0);
    let (answers, answered) = bounded(0);
    let inner = Pipe {
        context: ctx.clone(),
        sender: answers.clone(),
        receiver: asked,
    };
    let mut function = Some(f);
    // The function waits where it likes to, so nothing but its own operations ends them.
    stage::start(&background(), answers, move |_, _| {
        if let Some(function) = function.take() {
            drop(function(&inner));
        }
    });
    Pipe {
        context: ctx.clone(),
        sender: questions,
        receiver: answered,
    }
}

impl<S, R> fmt::Debug for Pipe<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Pipe { .. }")
    }
}
