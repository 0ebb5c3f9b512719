//! Random interleavings of everything that can happen to coroutines, against a
//! model of what they hold.

use gorge_coroutine::{Coroutine, CoroutineResult, LocalStack, LocalStackPool, StackPool};
use proptest::prelude::*;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What a coroutine is told to do when it is resumed.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Suspend with a value.
    Suspend,
    /// Call so many levels deep, and suspend there.
    Descend(u8),
    Return,
    Panic,
}

/// What the test does to one of the coroutines.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create,
    Resume(u8, Order),
    ForceUnwind(u8),
    Shrink(u8),
    Drop(u8),
    Leak(u8),
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        6 => Just(Order::Suspend),
        3 => (0u8..40).prop_map(Order::Descend),
        1 => Just(Order::Return),
        1 => Just(Order::Panic),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Create),
        12 => (any::<u8>(), order()).prop_map(|(i, order)| Step::Resume(i, order)),
        1 => any::<u8>().prop_map(Step::ForceUnwind),
        1 => any::<u8>().prop_map(Step::Shrink),
        2 => any::<u8>().prop_map(Step::Drop),
        1 => any::<u8>().prop_map(Step::Leak),
    ]
}

/// A value on a coroutine's stack: counts those that are alive.
struct Alive(Rc<Cell<i64>>);

impl Alive {
    fn new(count: &Rc<Cell<i64>>) -> Alive {
        count.set(count.get() + 1);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

type Subject = Coroutine<Order, u64, u64, LocalStack>;

struct Entry {
    coroutine: Subject,
    resumes: u64,
    /// Values alive on its stack when suspended.
    depth: i64,
}

fn create(pool: &LocalStackPool, count: &Rc<Cell<i64>>) -> Entry {
    let captured = Alive::new(count);
    let count = count.clone();
    let coroutine = Coroutine::with_stack(
        pool.take().expect("a stack"),
        move |yielder: &gorge_coroutine::Yielder<Order, u64>, mut order| {
            let _captured = captured;
            let mut resumes = 1;
            loop {
                order = match order {
                    Order::Suspend => yielder.suspend(resumes),
                    Order::Descend(levels) => descend(yielder, levels, resumes, &count),
                    Order::Return => return resumes,
                    Order::Panic => std::panic::panic_any(resumes),
                };
                resumes += 1;
            }
        },
    );
    Entry {
        coroutine,
        resumes: 0,
        depth: 1,
    }
}

/// Leaves a value on every level while it is suspended at the bottom.
fn descend(
    yielder: &gorge_coroutine::Yielder<Order, u64>,
    levels: u8,
    resumes: u64,
    count: &Rc<Cell<i64>>,
) -> Order {
    let _alive = Alive::new(count);
    let frame = std::hint::black_box([resumes; 32]);
    let order = match levels {
        0 => yielder.suspend(frame[7]),
        _ => descend(yielder, levels - 1, resumes, count),
    };
    assert!(
        frame.iter().all(|&word| word == resumes),
        "the frame is intact"
    );
    order
}

/// Resumes a coroutine and checks the result; false when it has ended.
fn resume(entry: &mut Entry, order: Order) -> bool {
    entry.resumes += 1;
    let resumes = entry.resumes;
    let result = catch_unwind(AssertUnwindSafe(|| entry.coroutine.resume(order)));
    match (order, result) {
        (Order::Suspend, Ok(result)) => {
            assert_eq!(result, CoroutineResult::Yield(resumes));
            entry.depth = 1;
        }
        (Order::Descend(levels), Ok(result)) => {
            assert_eq!(result, CoroutineResult::Yield(resumes));
            entry.depth = 2 + i64::from(levels);
        }
        (Order::Return, Ok(result)) => assert_eq!(result, CoroutineResult::Return(resumes)),
        (Order::Panic, Err(payload)) => assert_eq!(payload.downcast_ref(), Some(&resumes)),
        (order, result) => panic!("{order:?} gave {:?}", result.is_ok()),
    }
    !entry.coroutine.done()
}

/// Takes the coroutine that a random number means out, if there is one.
fn pick(entries: &mut Vec<Entry>, number: u8) -> Option<Entry> {
    (!entries.is_empty()).then(|| entries.swap_remove(usize::from(number) % entries.len()))
}

fn apply(
    step: Step,
    entries: &mut Vec<Entry>,
    pool: &LocalStackPool,
    count: &Rc<Cell<i64>>,
) -> i64 {
    match step {
        Step::Create => entries.push(create(pool, count)),
        Step::Resume(number, order) => {
            if let Some(mut entry) = pick(entries, number)
                && resume(&mut entry, order)
            {
                entries.push(entry);
            }
        }
        Step::ForceUnwind(number) => {
            if let Some(mut entry) = pick(entries, number) {
                entry.coroutine.force_unwind();
                assert!(entry.coroutine.done());
            }
        }
        Step::Shrink(number) => {
            if let Some(mut entry) = pick(entries, number) {
                entry.coroutine.shrink();
                entries.push(entry);
            }
        }
        Step::Drop(number) => drop(pick(entries, number)),
        Step::Leak(number) => {
            if let Some(entry) = pick(entries, number) {
                let depth = entry.depth;
                std::mem::forget(entry);
                return depth;
            }
        }
    }
    0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn values_on_stacks_are_dropped_exactly_once(steps in prop::collection::vec(step(), 1..120)) {
        std::panic::set_hook(Box::new(|_| ()));
        let pool = LocalStackPool::new(StackPool::new(64 * 1024).expect("a reserve within bounds"));
        let count = Rc::new(Cell::new(0));
        let mut entries = Vec::new();
        let mut leaked = 0;
        for step in steps {
            leaked += apply(step, &mut entries, &pool, &count);
            let held: i64 = entries.iter().map(|entry| entry.depth).sum();
            prop_assert_eq!(count.get(), held + leaked);
        }
        drop(entries);
        prop_assert_eq!(count.get(), leaked);
    }
}
