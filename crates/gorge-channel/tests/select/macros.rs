//! What may be written in `select!`, and what it evaluates.

use crate::common::everywhere;
use gorge_channel::{
    Receiver, RecvError, SendError, Sender, bounded, never, select, select_biased, unbounded,
};
use std::cell::Cell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn a_default_may_stand_alone_and_has_three_forms() {
    let value: i32 = select! { default => 1 };
    assert_eq!(value, 1);
    assert_eq!(select! { default() => 2 }, 2);
    assert_eq!(select! { default(Duration::ZERO) => 3, }, 3);
    let nothing = never::<i32>();
    select! { default => {} recv(nothing) -> _ => unreachable!(), }
    select! { recv(nothing,) -> _ => unreachable!(), default(Duration::from_millis(1),) => {} }
}

#[test]
fn handles_are_evaluated_once_and_values_when_chosen() {
    let (sender, receiver) = unbounded::<i32>();
    let evaluated = Cell::new(0);
    let count = || evaluated.set(evaluated.get() + 1);
    let r = || {
        count();
        receiver.clone()
    };
    let s = || {
        count();
        sender.clone()
    };
    select! {
        recv(r()) -> _ => unreachable!("there is no value"),
        send(s(), { count(); 1 }) -> sent => sent.unwrap(),
    }
    assert_eq!(evaluated.get(), 3);
    let (full, _room) = bounded(1);
    full.send(0).unwrap();
    select! {
        send(full, { count(); 1 }) -> _ => unreachable!(),
        recv(receiver) -> value => assert_eq!(value, Ok(1)),
    }
    assert_eq!(evaluated.get(), 3);
}

#[test]
fn a_handle_that_panics_leaves_nothing_behind() {
    let (sender, receiver) = bounded::<i32>(0);
    let panics = || -> &Receiver<i32> { panic!("no handle") };
    let result = catch_unwind(AssertUnwindSafe(|| {
        select! {
            recv(receiver) -> _ => unreachable!(),
            recv(panics()) -> _ => unreachable!(),
        }
    }));
    assert!(result.is_err());
    assert!(sender.try_send(1).is_err(), "nobody waits");
}

#[test]
fn handles_may_be_references_wrappers_and_boxes() {
    struct Wrapper<T>(T);
    impl<T> Deref for Wrapper<T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }
    let (sender, receiver) = unbounded::<i32>();
    select! {
        send(&&&&sender, 1) -> sent => sent.unwrap(),
        recv(&&&never::<i32>()) -> _ => unreachable!(),
    }
    let (s, r) = (Wrapper(sender.clone()), Wrapper(&receiver));
    select! { recv(*r) -> value => assert_eq!(value, Ok(1)), recv(never::<u8>()) -> _ => {} }
    select! { send(*s, 2) -> sent => sent.unwrap(), recv(never::<u8>()) -> _ => {} }
    let boxed: Box<Receiver<i32>> = Box::new(receiver);
    select! { recv(*boxed) -> value => assert_eq!(value, Ok(2)), recv(never::<u8>()) -> _ => {} }
    select! { recv(boxed) -> _ => {}, default => drop(s) }
}

#[test]
fn arms_may_consume_what_they_share() {
    let (sender, receiver) = bounded::<String>(1);
    let word = String::from("word");
    let own = Box::new(1);
    let kept = select! {
        send(sender, word) -> sent => { sent.unwrap(); own }
        recv(receiver) -> value => { drop(value); own }
        default => own,
    };
    assert_eq!(
        (kept, receiver.recv().as_deref()),
        (Box::new(1), Ok("word"))
    );
}

#[test]
fn arms_may_be_any_expression_and_may_leave() {
    fn leaves(receiver: &Receiver<u8>) -> Result<u8, RecvError> {
        let value = select! {
            recv(receiver) -> value => value?,
            default => return Ok(0),
        };
        Ok(value + 1)
    }
    let (sender, receiver) = unbounded();
    assert_eq!(leaves(&receiver), Ok(0));
    sender.send(1).unwrap();
    assert_eq!(leaves(&receiver), Ok(2));
    drop(sender);
    assert_eq!(leaves(&receiver), Err(RecvError));
    let text = select! {
        recv(receiver) -> value => match value { Ok(_) => "value", Err(_) => "end" },
        recv(never::<u8>()) -> _ => "never",
    };
    assert_eq!(text, "end");
    let mut rounds = 0;
    let found = 'outer: loop {
        while rounds < 3 {
            rounds += 1;
            select! {
                recv(receiver) -> end => if rounds == 2 { break 'outer end.is_err() } else { continue },
                recv(never::<i32>()) -> _ => {}
            }
        }
    };
    assert!(found);
}

#[test]
fn a_value_may_leave_and_gives_its_room_back() {
    fn leaves(sender: &Sender<u8>, value: Option<u8>) -> Option<()> {
        select! {
            send(sender, value?) -> sent => sent.ok(),
            recv(never::<u8>()) -> _ => None,
        }
    }
    let (sender, receiver) = bounded(1);
    assert_eq!(leaves(&sender, None), None);
    assert_eq!(leaves(&sender, Some(3)), Some(()));
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn handlers_may_replace_the_handles() {
    let (sender, mut receiver) = unbounded();
    let mut second = receiver.clone();
    sender.send(1).unwrap();
    let mut rounds = 0;
    while rounds < 2 {
        select! {
            recv(receiver) -> value => { assert!(value.is_ok()); receiver = never(); }
            recv(second) -> value => { assert!(value.is_ok()); second = never(); }
            default => { receiver = never(); second = never(); rounds = 2; }
        }
        rounds += 1;
    }
    assert!(receiver.same_channel(&second) && sender.is_empty());
}

#[test]
fn types_are_inferred_and_names_may_be_shadowed() {
    let (sender, receiver) = unbounded();
    let (other, strings) = bounded(1);
    select! {
        recv(receiver) -> value => { let _: Result<i32, _> = value; }
        send(other, String::new()) -> receiver => assert_eq!(receiver, Ok(())),
        default => drop(sender),
    }
    let receiver = strings;
    select! {
        recv(receiver) -> receiver => assert_eq!(receiver, Ok(String::new())),
        default => unreachable!(),
    }
}

#[test]
fn selects_may_be_nested_in_handlers_and_values() {
    let (sender, receiver) = unbounded::<i32>();
    let depth = select! {
        send(sender, select! { recv(receiver) -> _ => unreachable!(), default => 1 }) -> _ => select! {
            recv(receiver) -> first => select! {
                recv(receiver) -> _ => unreachable!(),
                default => select! { send(sender, 2) -> _ => first.unwrap() + 3 },
            },
        },
        recv(never::<u8>()) -> _ => 0,
    };
    assert_eq!((depth, receiver.recv()), (4, Ok(2)));
}

#[test]
fn the_biased_form_takes_the_first_in_every_form() {
    const COUNT: i32 = 100;
    let channels = [unbounded::<i32>(), unbounded(), unbounded()];
    let [(s1, r1), (s2, r2), (s3, r3)] = &channels;
    s1.send_many(0..COUNT).unwrap();
    s2.send_many(0..COUNT).unwrap();
    s3.send_many(0..COUNT).unwrap();
    let mut hits = [0; 3];
    for form in 0..2 * COUNT {
        let hit = match form % 3 {
            0 => select_biased! { recv(r1) -> _ => 0, recv(r2) -> _ => 1, recv(r3) -> _ => 2 },
            1 => {
                select_biased! { recv(r1) -> _ => 0, recv(r2) -> _ => 1, recv(r3) -> _ => 2, default => 3 }
            }
            _ => select_biased! {
                recv(r1) -> _ => 0, recv(r2) -> _ => 1, recv(r3) -> _ => 2,
                default(Duration::from_secs(1)) => 3
            },
        };
        hits[hit] += 1;
    }
    assert_eq!(hits, [COUNT, COUNT, 0]);
}

#[test]
fn one_case_alone_behaves_as_the_plain_operation() {
    everywhere(|parties| {
        let (sender, receiver) = bounded::<i32>(0);
        select! { recv(receiver) -> _ => unreachable!(), default => {} }
        select! { send(sender, 1) -> _ => unreachable!(), default => {} }
        let short = Duration::from_millis(1);
        select! { recv(receiver) -> _ => unreachable!(), default(short) => {} }
        select! { send(sender, 1) -> _ => unreachable!(), default(short) => {} }
        parties.scope(|scope| {
            let sends = scope.spawn(|| select! { send(sender, 5) -> sent => sent });
            assert_eq!(select! { recv(receiver) -> value => value }, Ok(5));
            assert_eq!(sends.join(), Ok(()));
            let waits = scope.spawn(|| select! { recv(receiver) -> value => value });
            parties.settle();
            sender.close();
            assert_eq!(waits.join(), Err(RecvError));
        });
        select! { send(sender, 6) -> sent => assert_eq!(sent, Err(SendError(6))), default => unreachable!() }
        select! { recv(receiver) -> value => assert!(value.is_err()), default(short) => unreachable!() }
    });
}

#[test]
fn a_macro_may_hand_its_parts_on_to_a_select() {
    macro_rules! first_of {
        ($receiver:expr, $other:expr, $result:pat, $handler:expr, $nothing:expr, $time:expr) => {
            select! {
                recv($receiver) -> $result => $handler,
                recv($other) -> _ => { $nothing }
                default($time) => $nothing
            }
        };
    }
    macro_rules! sends {
        ($sender:expr, $value:expr, $handler:block) => {
            select! { send($sender, $value) -> _ => $handler, default => unreachable!() }
        };
    }
    let (sender, receiver) = unbounded();
    let got = |time| first_of!(receiver, never::<u8>(), it, it, Err(RecvError), time);
    sends!(sender, 1, { assert_eq!(sender.len(), 1) });
    assert_eq!(got(Duration::ZERO), Ok(1));
    assert_eq!(got(Duration::ZERO), Err(RecvError));
}

/// A program of tasks may wait in a handler, and in a value, and go on at another thread.
#[test]
fn a_future_that_waits_in_a_handler_may_change_threads() {
    fn changes_threads<F: Future + Send>(future: F) -> F {
        future
    }
    async fn task(receiver: Receiver<i32>, sender: Sender<i32>) -> i32 {
        let received = select! {
            recv(receiver) -> received => {
                std::future::ready(()).await;
                received.expect("it was sent")
            }
            default => std::future::ready(0).await,
        };
        select! {
            send(sender, std::future::ready(received + 1).await) -> sent => {
                sent.expect("there is room");
                std::future::ready(received).await
            }
            default(Duration::ZERO) => std::future::ready(0).await,
        }
    }
    let (sender, receiver) = bounded(1);
    sender.send(6).expect("there is room");
    let future = changes_threads(task(receiver.clone(), sender));
    assert_eq!(gorge_runtime::block_on(future), 6);
    assert_eq!(receiver.recv(), Ok(7));
}
