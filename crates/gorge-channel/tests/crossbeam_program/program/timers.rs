//! `after`, `at`, `tick` and `never`.

use super::channel::{Receiver, after, at, bounded, never, select, tick};
use crate::Notes;
use std::thread;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

const NOTHING: Receiver<i32> = never();
static NOTHING_FOR_ALL: Receiver<String> = never();
thread_local! {
    static NOTHING_HERE: Receiver<()> = const { never() };
}

pub(crate) fn timers_fire_once_and_tickers_again(notes: &mut Notes) {
    let start = Instant::now();
    let timer: Receiver<Instant> = after(3 * MS);
    note!(notes: timer, timer.capacity());
    note!(notes: timer.recv().is_ok_and(|due| due >= start + 3 * MS));
    note!(notes: timer.try_recv(), timer.len(), timer.is_empty(), timer.is_full());
    note!(notes: timer.recv_timeout(MS), timer.recv_deadline(start));
    let due = Instant::now() + 3 * MS;
    let timer = at(due);
    note!(notes: timer.capacity(), timer.recv() == Ok(due), Instant::now() >= due);
    note!(notes: at(start).recv() == Ok(start), at(start).try_recv() == Ok(start));
    note!(notes: at(start).len(), at(start).is_full(), at(Instant::now() + LONG).len());
    note!(notes: after(Duration::ZERO).len(), after(LONG).len(), after(Duration::MAX).len());
    note!(notes: after(LONG).same_channel(&after(LONG)), timer.same_channel(&timer.clone()));

    let start = Instant::now();
    let ticker = tick(2 * MS);
    note!(notes: ticker, ticker.capacity());
    for count in 1..=4 {
        let due = ticker.recv();
        note!(notes: due.is_ok_and(|due| due >= start + count * 2 * MS));
    }
    while ticker.is_empty() {
        thread::yield_now();
    }
    note!(notes: ticker.len(), ticker.is_full(), ticker.try_recv().is_ok());
    note!(notes: tick(LONG).try_recv(), tick(LONG).recv_timeout(MS), tick(Duration::ZERO).len());
    note!(notes: tick(Duration::ZERO).iter().take(3).count(), tick(MS).iter().take(3).count());
    note!(notes: ticker.same_channel(&ticker.clone()), ticker.same_channel(&tick(2 * MS)));
    // Received once, whoever holds it.
    let timer = after(MS);
    let others = [0; 3].map(|_| {
        let timer = timer.clone();
        thread::spawn(move || timer.recv_timeout(30 * MS).is_ok())
    });
    let hits = others.map(|other| usize::from(other.join().unwrap()));
    note!(notes: hits.iter().sum::<usize>());
}

pub(crate) fn never_is_a_channel_like_others(notes: &mut Notes) {
    let nothing = never::<i32>();
    note!(notes: nothing, nothing.capacity(), nothing.len(), nothing.is_empty(), nothing.is_full());
    note!(notes: nothing.try_recv(), nothing.recv_timeout(MS), nothing.try_iter().next());
    note!(notes: nothing.same_channel(&never()), nothing.same_channel(&bounded(0).1));
    let limits = [Some(MS), None];
    let timeout = limits[0].map_or_else(never, after);
    note!(notes: select! { recv(nothing) -> _ => 1, recv(timeout) -> _ => 2 });
    let optional = [&nothing].into_iter().find(|it| !it.is_empty());
    note!(notes: select! { recv(optional.unwrap_or(&never())) -> _ => 1, default => 2 });
    note!(notes: NOTHING.try_recv(), NOTHING.same_channel(&nothing.clone()));
    note!(notes: NOTHING_FOR_ALL.recv_deadline(Instant::now()), NOTHING_HERE.with(Receiver::len));
    note!(notes: select! {
        recv(NOTHING_FOR_ALL) -> _ => 1,
        recv(NOTHING) -> _ => 2,
        default(MS) => 3,
    });
    let mut ticks = tick(MS);
    let mut steps = 0;
    loop {
        select! {
            recv(ticks) -> _ => {
                steps += 1;
                if steps == 3 {
                    ticks = never();
                }
            }
            default(20 * MS) => if steps == 3 { break },
        }
    }
    note!(notes: steps);
}
