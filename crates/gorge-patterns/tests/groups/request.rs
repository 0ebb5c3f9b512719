//! `requests`: answers, and their absence.

use crate::common::{cancellable, everywhere};
use crate::tools::cancelled_at_any_point;
use gorge_channel::context::background;
use gorge_patterns::{AskError, requests};
use gorge_runtime::{go, sim, time};
use std::time::Duration;

#[test]
fn each_asker_gets_its_own_answer() {
    everywhere(|| {
        let (asker, inbox) = requests::<u32, u32>(2);
        let server = go(move || {
            for request in inbox {
                let answer = *request * 2;
                request.answer(answer).unwrap();
            }
        });
        let askers: Vec<_> = (0..10)
            .map(|number| {
                let asker = asker.clone();
                go(move || assert_eq!(asker.ask(&background(), number), Ok(number * 2)))
            })
            .collect();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        drop(asker);
        server.join().unwrap();
    });
}

#[test]
fn a_late_answer_is_handed_back() {
    sim::check(200, || {
        let (asker, inbox) = requests::<(), u32>(0);
        let server = go(move || {
            let request = inbox.recv().unwrap();
            time::sleep(Duration::from_secs(2));
            assert!(request.is_abandoned());
            request.answer(7).unwrap_err()
        });
        let begin = time::now();
        let error = asker.ask_timeout(Duration::from_secs(1), ()).unwrap_err();
        assert!(matches!(error, AskError::Cancelled(reason) if reason.is_timeout()));
        assert_eq!(time::now() - begin, Duration::from_secs(1));
        assert_eq!(server.join().unwrap(), 7);
    });
}

#[test]
fn an_asker_is_told_that_nobody_answers() {
    everywhere(|| {
        let (asker, inbox) = requests::<u32, u32>(1);
        let server = go(move || {
            drop(inbox.recv().unwrap());
            drop(inbox);
        });
        assert_eq!(asker.ask(&background(), 1), Err(AskError::Unanswered));
        server.join().unwrap();
        assert_eq!(asker.ask(&background(), 2), Err(AskError::Closed));
        let (ctx, guard) = cancellable();
        guard.cancel();
        assert!(matches!(asker.ask(&ctx, 3), Err(AskError::Cancelled(_))));
    });
}

#[test]
fn a_server_that_panics_leaves_nobody_waiting() {
    everywhere(|| {
        let (asker, inbox) = requests::<u32, u32>(1);
        let server = go(move || {
            let request = inbox.recv().unwrap();
            assert_eq!(*request.question(), 0, "a panic that the test wants");
        });
        assert_eq!(asker.ask(&background(), 1), Err(AskError::Unanswered));
        assert!(server.join().unwrap_err().is_panic());
    });
}

#[test]
fn a_question_is_answered_elsewhere() {
    everywhere(|| {
        let (asker, inbox) = requests::<String, usize>(0);
        let server = go(move || {
            let (question, request) = inbox.recv().unwrap().split();
            go(move || request.answer(question.len())).join().unwrap()
        });
        assert_eq!(asker.ask(&background(), "seven!!".into()), Ok(7));
        server.join().unwrap().unwrap();
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let (asker, inbox) = requests::<u32, u32>(0);
        let server = go(move || {
            for request in inbox {
                let answer = *request;
                _ = request.answer(answer);
            }
        });
        for number in 0..3 {
            assert!(
                asker
                    .ask(ctx, number)
                    .map_or(true, |answer| answer == number)
            );
        }
        drop(asker);
        server.join().unwrap();
    });
}
