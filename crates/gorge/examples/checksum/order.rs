//! Answers come as they are ready, and leave in the order of their tickets.
//!
//! Those that come early wait here. They are fewer than the window has tickets,
//! because the one that is waited for has a ticket, too.

use crate::digest::Answer;
use gorge::channel::Receiver;
use std::collections::BTreeMap;

/// See the module's description. It ends with the answers, or before one that
/// never comes.
pub(crate) struct InOrder {
    answers: Receiver<Answer>,
    window: usize,
    early: BTreeMap<usize, Answer>,
    next: usize,
}

impl InOrder {
    /// For answers with tickets of a window of this size.
    pub(crate) fn new(answers: Receiver<Answer>, window: usize) -> InOrder {
        InOrder {
            answers,
            window,
            early: BTreeMap::new(),
            next: 0,
        }
    }
}

impl Iterator for InOrder {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(answer);
            }
            if self.early.len() >= self.window {
                return None;
            }
            let answer = self.answers.recv().ok()?;
            self.early.insert(answer.ticket.number, answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Window;
    use gorge::channel::unbounded;

    const WINDOW: usize = 4;

    /// What comes out when answers with these numbers come in.
    fn ordered(numbers: &[usize]) -> Vec<usize> {
        let mut window = Window::new(numbers.len() + 1);
        let mut tickets: Vec<_> = (0..=numbers.len()).map(|_| Some(window.ticket())).collect();
        let (sender, answers) = unbounded();
        for &number in numbers {
            let answer = Answer {
                ticket: tickets[number].take().unwrap(),
                lines: Vec::new(),
                complaints: Vec::new(),
                files: 0,
                bytes: 0,
                is_last: false,
            };
            sender.send(answer).unwrap();
        }
        drop(sender);
        let order = InOrder::new(answers, WINDOW);
        order.map(|answer| answer.ticket.number).collect()
    }

    #[test]
    fn answers_leave_in_the_order_of_their_tickets() {
        assert_eq!(ordered(&[]), []);
        assert_eq!(ordered(&[2, 0, 3, 1, 4]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_missing_answer_ends_it() {
        assert_eq!(ordered(&[0, 2]), [0]);
        assert_eq!(ordered(&[0, 2, 3, 4, 5]), [0]);
    }
}
