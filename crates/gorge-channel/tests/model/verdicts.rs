//! Histories written by hand: those that the checker must reject, each beside one that it
//! accepts.

use crate::checker::check;
use crate::history::{Choice, Event, What};
use crate::queue::{Received, Sent};

const RENDEZVOUS: &[Option<usize>] = &[Some(0)];
const ONE: &[Option<usize>] = &[Some(1)];
const TWO: &[Option<usize>] = &[Some(2)];
const UNBOUNDED: &[Option<usize>] = &[None];

/// Of each event: the party, when it was called and returned, and what it was.
fn verdict(capacities: &[Option<usize>], events: &[(usize, u64, u64, What)]) -> bool {
    let event = |(party, called, returned, what): &(usize, u64, u64, What)| Event {
        party: *party,
        called: *called,
        returned: *returned,
        what: what.clone(),
    };
    check(capacities, &events.iter().map(event).collect::<Vec<_>>()).is_ok()
}

/// One party does these one after the other.
fn verdict_in_order(capacities: &[Option<usize>], whats: &[What]) -> bool {
    let events = whats.iter().enumerate().map(|(number, what)| {
        let called = 2 * number as u64;
        (0, called, called + 1, what.clone())
    });
    verdict(capacities, &events.collect::<Vec<_>>())
}

fn sent(value: u32) -> What {
    What::Send(0, value, Sent::Done)
}

fn full(value: u32) -> What {
    What::Send(0, value, Sent::Full)
}

fn got(value: u32) -> What {
    What::Receive(0, Received::Value(value))
}

const EMPTY: What = What::Receive(0, Received::Empty);
const ENDED: What = What::Receive(0, Received::Closed);
const CLOSED: What = What::Close(0, true);

fn promised() -> What {
    What::Select(vec![(0, true)], Choice::Promise(0))
}

fn kept(value: u32) -> What {
    What::Keep(0, value, Sent::Done)
}

#[test]
fn values_that_change_their_order_are_noticed() {
    assert!(verdict_in_order(TWO, &[sent(1), sent(2), got(1), got(2)]));
    assert!(!verdict_in_order(TWO, &[sent(1), sent(2), got(2), got(1)]));
    // Two sends at the same time may come in either order, but not one after the other.
    let both = |second_called| {
        [
            (0, 0, 3, sent(1)),
            (1, second_called, 5, sent(2)),
            (2, 6, 7, got(2)),
            (2, 8, 9, got(1)),
        ]
    };
    assert!(verdict(UNBOUNDED, &both(1)));
    assert!(!verdict(UNBOUNDED, &both(4)));
}

#[test]
fn values_that_are_lost_are_noticed() {
    assert!(verdict_in_order(UNBOUNDED, &[sent(1), got(1), EMPTY]));
    assert!(!verdict_in_order(UNBOUNDED, &[sent(1), EMPTY]));
    assert!(verdict_in_order(ONE, &[sent(1), CLOSED, got(1), ENDED]));
    assert!(!verdict_in_order(ONE, &[sent(1), CLOSED, ENDED]));
}

#[test]
fn values_that_come_twice_or_of_nowhere_are_noticed() {
    assert!(!verdict_in_order(TWO, &[sent(1), got(1), got(1)]));
    assert!(!verdict_in_order(TWO, &[sent(1), got(2)]));
    let received_by = |second| [(0, 0, 9, sent(1)), (1, 1, 8, got(1)), (2, 2, 7, second)];
    assert!(verdict(RENDEZVOUS, &received_by(EMPTY)));
    assert!(!verdict(RENDEZVOUS, &received_by(got(1))));
}

#[test]
fn a_value_that_comes_before_it_was_sent_is_noticed() {
    let received = |returned| [(0, 2, 3, sent(1)), (1, 0, returned, got(1))];
    for capacities in [RENDEZVOUS, ONE, UNBOUNDED] {
        assert!(verdict(capacities, &received(4)));
        assert!(!verdict(capacities, &received(1)));
    }
}

#[test]
fn a_rendezvous_without_a_partner_is_noticed() {
    assert!(!verdict_in_order(RENDEZVOUS, &[sent(1)]));
    assert!(verdict(
        RENDEZVOUS,
        &[(0, 0, 2, sent(1)), (1, 1, 3, got(1))]
    ));
    let apart = [(0, 0, 1, sent(1)), (1, 2, 3, got(1))];
    assert!(!verdict(RENDEZVOUS, &apart));
    assert!(verdict(ONE, &apart));
    let both_in_one = What::Select(vec![(0, true), (0, false)], Choice::Value(1, 1));
    assert!(!verdict_in_order(RENDEZVOUS, &[both_in_one]));
}

#[test]
fn lengths_that_are_wrong_are_noticed() {
    for (len, is_right) in [(0, false), (1, true), (2, false)] {
        let history = [sent(1), What::Len(0, len), got(1)];
        assert_eq!(verdict_in_order(TWO, &history), is_right);
        let meanwhile = [(0, 0, 3, sent(1)), (1, 1, 2, What::Len(0, len))];
        assert_eq!(verdict(TWO, &meanwhile), len < 2);
    }
    let full_after = |values: u32| {
        let mut history: Vec<_> = (0..values).map(sent).collect();
        history.push(What::IsFull(0, true));
        verdict_in_order(TWO, &history)
    };
    assert!(!full_after(1) && full_after(2));
}

#[test]
fn refusals_without_a_reason_are_noticed() {
    assert!(verdict_in_order(ONE, &[sent(1), full(2)]));
    assert!(!verdict_in_order(ONE, &[full(2)]));
    assert!(!verdict_in_order(UNBOUNDED, &[sent(1), full(2)]));
    assert!(
        !verdict_in_order(ONE, &[sent(1), sent(2)]),
        "beyond its capacity"
    );
    assert!(!verdict_in_order(ONE, &[ENDED]));
    assert!(!verdict_in_order(ONE, &[What::Send(0, 1, Sent::Closed)]));
}

#[test]
fn what_happens_after_a_close_is_noticed() {
    assert!(!verdict_in_order(TWO, &[CLOSED, sent(1)]));
    assert!(!verdict_in_order(TWO, &[CLOSED, CLOSED]));
    assert!(!verdict_in_order(TWO, &[CLOSED, EMPTY]));
    assert!(!verdict_in_order(TWO, &[CLOSED, What::IsClosed(0, false)]));
    assert!(verdict_in_order(
        TWO,
        &[
            CLOSED,
            What::Close(0, false),
            What::IsClosed(0, true),
            ENDED
        ]
    ));
    let exchanged = [(0, 2, 5, sent(1)), (1, 3, 4, got(1)), (2, 0, 1, CLOSED)];
    assert!(!verdict(RENDEZVOUS, &exchanged));
}

#[test]
fn a_select_that_misses_what_is_there_all_the_time_is_noticed() {
    let capacities = &[Some(1), Some(1)];
    let cases = vec![(0, false), (1, false)];
    let second = |value| What::Send(1, value, Sent::Done);
    // A value comes into one channel before the other's goes.
    let history = |taken: u64| {
        [
            (0, 0, 1, sent(1)),
            (1, 2, 9, What::Select(cases.clone(), Choice::Nothing)),
            (0, taken, taken + 1, got(1)),
            (2, 5, 6, second(2)),
        ]
    };
    assert!(verdict(capacities, &history(3)));
    assert!(!verdict(capacities, &history(7)));
    let named = |index| [sent(1), What::Ready(cases.clone(), index)];
    assert!(verdict_in_order(capacities, &named(Some(0))));
    assert!(!verdict_in_order(capacities, &named(Some(1))));
    assert!(!verdict_in_order(capacities, &named(None)));
}

#[test]
fn a_select_that_takes_another_cases_value_is_noticed() {
    let capacities = &[Some(1), None];
    let cases = vec![(0, false), (1, false)];
    let choice = |choice| [sent(1), What::Select(cases.clone(), choice)];
    assert!(verdict_in_order(capacities, &choice(Choice::Value(0, 1))));
    for wrong in [
        Choice::Value(1, 1),
        Choice::Value(0, 2),
        Choice::Closed(0),
        Choice::Closed(1),
    ] {
        assert!(!verdict_in_order(capacities, &choice(wrong)));
    }
}

#[test]
fn room_that_is_kept_and_given_away_is_noticed() {
    assert!(verdict_in_order(
        ONE,
        &[promised(), full(2), kept(1), got(1)]
    ));
    assert!(!verdict_in_order(ONE, &[promised(), sent(2), kept(1)]));
    assert!(!verdict_in_order(ONE, &[kept(1)]), "nothing was promised");
    assert!(verdict_in_order(
        ONE,
        &[promised(), What::Break(0), sent(2)]
    ));
    assert!(!verdict_in_order(
        ONE,
        &[promised(), What::Break(0), full(2)]
    ));
    assert!(!verdict_in_order(ONE, &[promised(), CLOSED, kept(1)]));
    let returned = What::Keep(0, 1, Sent::Closed);
    assert!(verdict_in_order(
        ONE,
        &[promised(), CLOSED, returned, ENDED]
    ));
}

#[test]
fn a_receiver_that_was_promised_a_value_gets_it_and_nobody_else() {
    let history = |first, second| {
        [
            (0, 0, 2, promised()),
            (1, 1, 12, first),
            (2, 3, 4, CLOSED),
            (0, 5, 8, kept(1)),
            (3, 6, 7, second),
        ]
    };
    // It was promised before the close, so the value comes after it.
    assert!(verdict(RENDEZVOUS, &history(got(1), ENDED)));
    assert!(!verdict(RENDEZVOUS, &history(ENDED, ENDED)), "a lost value");
    assert!(!verdict(RENDEZVOUS, &history(got(1), got(1))), "twice");
    let alone = [(0, 0, 1, promised()), (1, 2, 4, got(1)), (0, 3, 5, kept(1))];
    assert!(!verdict(RENDEZVOUS, &alone), "nobody was there");
}
