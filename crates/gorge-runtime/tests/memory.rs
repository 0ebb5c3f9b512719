//! What stays in memory after goroutines used much of their stacks. A process
//! of its own: it looks at the memory of the whole process.

mod common;

use common::wait_for;
use gorge_runtime::{goroutine, stack};

#[test]
fn memory_of_ten_thousand_deep_goroutines_is_given_back() {
    /// Resident memory in KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("a size");
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse().expect("a number")
    }
    /// Recurses until no more than `floor` bytes of stack remain, and waits
    /// there.
    fn descend(floor: usize) {
        let frame = std::hint::black_box([1u8; 1024]);
        if stack::remaining() <= floor {
            goroutine::park();
        } else {
            descend(floor);
        }
        std::hint::black_box(&frame);
    }
    let runtime = gorge_runtime::Runtime::builder()
        .max_procs(2)
        .build()
        .expect("a runtime");
    let round = |depth: usize| {
        let handles: Vec<_> = (0..10_000)
            .map(|_| runtime.go(move || descend(stack::remaining() - depth)))
            .collect();
        wait_for(|| {
            runtime
                .dump_states()
                .goroutines()
                .iter()
                .all(|g| g.state.is_waiting())
        });
        let peak = resident();
        handles
            .iter()
            .for_each(|handle| handle.goroutine().unpark());
        handles
            .into_iter()
            .for_each(|handle| handle.join().expect("it came back"));
        peak
    };
    // Once shallow, so that what stays (Gs, page tables) is there before.
    round(0);
    let before = resident();
    let peak = round(128 * 1024);
    assert!(
        peak > before + 1_200_000,
        "{peak} KiB at the deepest, {before} before"
    );
    // The documented time is some hundred milliseconds of idleness.
    wait_for(|| resident() < before + before / 4);
}
