//! A pool of stacks: reuse, guards, and what stays in memory.

use gorge_coroutine::stack::{high_water, release_below};
use gorge_coroutine::{Coroutine, LocalStackPool, PooledStack, Stack, StackPool};

const RESERVE: usize = 256 * 1024;

fn pool() -> StackPool {
    StackPool::new(RESERVE).expect("a reserve within bounds")
}

/// Writes to every page of the top `bytes` of a stack.
fn touch(stack: &PooledStack, bytes: usize) {
    for offset in (64..bytes).step_by(4096) {
        // SAFETY: the bytes below the top belong to the stack, which is unused.
        unsafe { stack.top().sub(offset).write(7) }
    }
}

#[test]
fn the_stack_returned_last_is_taken_first() {
    let pool = pool();
    let first = pool.take().expect("address space");
    let second = pool.take().expect("address space");
    let top = first.top();
    drop(second);
    drop(first);
    assert_eq!(pool.take().expect("pooled").top(), top);
}

#[test]
fn a_threads_pool_reuses_what_is_returned_and_gives_all_back_when_it_goes() {
    let pool = pool();
    let local = LocalStackPool::new(pool.clone());
    let stacks: Vec<_> = (0..100).map(|_| local.take().unwrap()).collect();
    let last = stacks[99].limit();
    assert_eq!(pool.statistics().live, 100);
    drop(stacks);
    assert!(
        (1..100).contains(&pool.statistics().live),
        "it keeps some, for later"
    );

    let again = local.take().unwrap();
    assert_eq!(again.limit(), last);
    drop(local);
    assert_ne!(pool.statistics().live, 0, "a stack in use keeps its pool");
    drop(again);
    assert_eq!(pool.statistics().live, 0);
}

#[test]
fn stacks_do_not_overlap_across_slabs_with_either_kind_of_guard() {
    for reserve in [16 * 1024, 64 * 1024, 4 << 20] {
        for pool in [
            StackPool::new(reserve),
            StackPool::with_protected_guards(reserve),
        ] {
            let pool = pool.expect("a reserve within bounds");
            let stacks: Vec<_> = (0..300).map(|_| pool.take().expect("a stack")).collect();
            stacks.iter().for_each(|stack| touch(stack, 8 * 1024));
            let mut ranges: Vec<_> = stacks.iter().map(|s| (s.limit(), s.top())).collect();
            ranges.sort();
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
            assert!(
                ranges.iter().all(
                    |(low, top)| top.as_ptr() as usize - low.as_ptr() as usize > reserve - 8192
                )
            );
            assert_eq!(pool.statistics().live, 300);
            drop(stacks);
            assert_eq!(pool.statistics().live, 0);
        }
    }
}

#[test]
fn every_stack_has_a_guard_below_it() {
    for pool in [
        StackPool::new(RESERVE),
        StackPool::with_protected_guards(RESERVE),
    ] {
        let pool = pool.expect("a reserve within bounds");
        let stacks: Vec<_> = (0..100).map(|_| pool.take().expect("a stack")).collect();
        assert!(
            stacks
                .iter()
                .all(|stack| is_unreadable(stack.limit().as_ptr().wrapping_sub(1)))
        );
        assert!(
            stacks
                .iter()
                .all(|stack| !is_unreadable(stack.limit().as_ptr()))
        );
    }
}

/// Lets the kernel read a byte, which reports a fault instead of raising it.
fn is_unreadable(address: *const u8) -> bool {
    let mut ends = [0; 2];
    // SAFETY: a pipe of our own, and an address that the kernel checks.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let written = libc::write(ends[1], address.cast(), 1);
        libc::close(ends[0]);
        libc::close(ends[1]);
        written < 0
    }
}

#[test]
fn the_protect_fallback_stops_at_its_budget_with_the_name_of_the_limit() {
    let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("procfs");
    let limit: usize = maps.trim().parse().expect("a number");
    if limit > 200_000 {
        eprintln!("vm.max_map_count is {limit}: too many stacks to try");
        return;
    }
    let pool = StackPool::with_protected_guards(16 * 1024).expect("a reserve within bounds");
    let mut stacks = Vec::new();
    let error = loop {
        match pool.take() {
            Ok(stack) => stacks.push(stack),
            Err(error) => break error,
        }
    };
    assert!(
        stacks.len() > limit / 3 && stacks.len() < limit / 2,
        "{}",
        stacks.len()
    );
    assert!(error.to_string().contains("vm.max_map_count"), "{error}");
    // What was given back can be had again.
    stacks.truncate(10);
    assert!(pool.take().is_ok());
}

#[test]
fn trimming_keeps_the_top_and_gives_the_rest_back() {
    let pool = pool();
    let stack = pool.take().expect("a stack");
    touch(&stack, 200 * 1024);
    assert!(high_water(&stack) >= 196 * 1024);
    drop(stack);
    pool.trim();
    let stack = pool.take().expect("the same");
    let kept = high_water(&stack);
    assert!((8 * 1024..=24 * 1024).contains(&kept), "{kept}");
    assert_eq!(pool.statistics().trims, 1);
}

#[test]
fn a_pool_left_alone_cools_down_to_nothing() {
    let pool = pool();
    let stacks: Vec<_> = (0..500).map(|_| pool.take().expect("a stack")).collect();
    stacks.iter().for_each(|stack| touch(stack, 100 * 1024));
    assert!(pool.resident_bytes() >= 500 * 100 * 1024);
    drop(stacks);
    let mut rounds = 0;
    while pool.cool() > 0 {
        rounds += 1;
        assert!(rounds < 20, "halves every time");
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.live, statistics.pooled), (0, 0));
    assert!(statistics.cold >= 500);
    assert_eq!(pool.resident_bytes(), 0);
    let stack = pool.take().expect("a cold one");
    assert_eq!(high_water(&stack), 0);
}

#[test]
fn a_pool_in_use_keeps_warm_what_it_needs() {
    let pool = pool();
    for _ in 0..10 {
        let stacks: Vec<_> = (0..100).map(|_| pool.take().expect("a stack")).collect();
        drop(stacks);
        pool.cool();
    }
    assert!(pool.statistics().pooled >= 50, "{:?}", pool.statistics());
}

#[test]
fn pages_below_a_suspended_stack_pointer_can_be_released() {
    let pool = pool();
    let stack = pool.take().expect("a stack");
    let (limit, top) = (stack.limit(), stack.top());
    let mut coroutine = Coroutine::<(), u64, u64, _>::with_stack(stack, |yielder, ()| {
        let kept = std::hint::black_box([5u64; 100]);
        deep(yielder, 100);
        yielder.suspend(0);
        kept.iter().sum()
    });
    while coroutine.resume(()) != gorge_coroutine::CoroutineResult::Yield(0) {}
    coroutine.shrink();
    struct View(std::ptr::NonNull<u8>, std::ptr::NonNull<u8>);
    // SAFETY: looked at, never run on.
    unsafe impl Stack for View {
        fn top(&self) -> std::ptr::NonNull<u8> {
            self.1
        }
        fn limit(&self) -> std::ptr::NonNull<u8> {
            self.0
        }
    }
    assert!(high_water(&View(limit, top)) <= 12 * 1024);
    assert_eq!(coroutine.resume(()).as_return(), Some(500));
    let _ = release_below::<PooledStack>;
}

/// Uses a kilobyte of stack per level, and suspends at the bottom.
fn deep(yielder: &gorge_coroutine::Yielder<(), u64>, levels: u64) {
    let frame = std::hint::black_box([levels; 128]);
    if levels == 0 {
        yielder.suspend(1);
    } else {
        deep(yielder, levels - 1);
    }
    std::hint::black_box(&frame);
}
