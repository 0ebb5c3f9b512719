//! No window ever admits more than it may: each limit's own guarantee, for any questions at any
//! times.

use gorge_patterns::rate::{
    FixedWindow, Gcra, LeakyBucket, LeakyMeter, Limit, Limiter, MultiLimiter, RateLimiter,
    Reservation, SlidingCounter, SlidingLog,
};
use gorge_runtime::time;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// After so many nanoseconds, so many are asked for, at once or as a reservation, which may be
/// given back.
type Question = (u64, usize, Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Try,
    Reserve,
    Cancel,
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let kinds =
        prop_oneof![3 => Just(Kind::Try), 2 => Just(Kind::Reserve), 1 => Just(Kind::Cancel)];
    let steps = prop_oneof![Just(0u64), 0..2_000u64, 0..2_000_000u64];
    prop::collection::vec((steps, 0..4usize, kinds), 1..80)
}

/// Admissions, as nanoseconds since the start and numbers, in order of time.
fn admitted(limiter: &dyn RateLimiter, start: Instant, asked: &[Question]) -> Vec<(u64, usize)> {
    let (mut now, mut admitted) = (0, Vec::new());
    let mut kept: Vec<Reservation> = Vec::new();
    for &(step, n, kind) in asked {
        now += step;
        let t = start + Duration::from_nanos(now);
        if let Kind::Try = kind {
            if limiter.try_acquire_at(t, n).is_ok() {
                admitted.push((now, n));
            }
            continue;
        }
        let reservation = limiter.reserve_n_at(t, n);
        if !reservation.ok() {
            continue;
        }
        let delay = u64::try_from(reservation.delay_from(t).as_nanos()).expect("it is near");
        if let Kind::Cancel = kind {
            reservation.cancel_at(t);
        } else {
            admitted.push((now + delay, n));
            kept.push(reservation);
        }
    }
    for reservation in kept {
        assert!(reservation.commit().is_ok());
    }
    admitted.sort_unstable();
    admitted
}

/// Checks all windows from one admission to another: `(length, count)`.
fn for_all_windows(admitted: &[(u64, usize)], is_fine: impl Fn(u64, usize) -> bool) {
    for (from, &(begin, _)) in admitted.iter().enumerate() {
        let mut count = 0;
        for &(end, n) in &admitted[from..] {
            count += n;
            assert!(
                is_fine(end - begin, count),
                "{count} from {begin} to {end}: {admitted:?}"
            );
        }
    }
}

/// In any time, the burst and what the limit adds, exactly.
fn is_within_rate(interval: u64, burst: usize) -> impl Fn(u64, usize) -> bool {
    move |length, count| {
        count <= burst || (count - burst) as u128 * u128::from(interval) <= u128::from(length)
    }
}

const INTERVALS: [u64; 5] = [1, 37, 1_000, 333_333, 1_000_000];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_token_bucket_admits_its_burst_and_its_rate(
        asked in questions(), interval in prop::sample::select(&INTERVALS), burst in 3..6usize,
    ) {
        let limit = Limit::every(Duration::from_nanos(interval));
        let all = admitted(&Limiter::new(limit, burst), time::now(), &asked);
        for_all_windows(&all, is_within_rate(interval, burst));
    }

    #[test]
    fn odd_rates_are_kept_too(asked in questions(), rate in 0.5..1e9f64, burst in 3..6usize) {
        let all = admitted(&Limiter::new(rate, burst), time::now(), &asked);
        for_all_windows(&all, |length, count| {
            // What is due between two nanoseconds comes at the second one.
            count as f64 <= burst as f64 + rate * (length + 1) as f64 / 1e9 + 1e-6
        });
    }

    #[test]
    fn cells_are_admitted_by_burst_and_rate(
        asked in questions(), interval in prop::sample::select(&INTERVALS), burst in 3..6usize,
    ) {
        let limit = Limit::every(Duration::from_nanos(interval));
        let all = admitted(&Gcra::new(limit, burst), time::now(), &asked);
        for_all_windows(&all, is_within_rate(interval, burst));
    }

    #[test]
    fn a_meter_admits_its_capacity_and_its_rate(
        asked in questions(), interval in prop::sample::select(&INTERVALS), burst in 3..6usize,
    ) {
        let limit = Limit::every(Duration::from_nanos(interval));
        let all = admitted(&LeakyMeter::new(limit, burst), time::now(), &asked);
        for_all_windows(&all, is_within_rate(interval, burst));
    }

    #[test]
    fn a_leaky_queue_keeps_its_distances(
        asked in questions(), interval in prop::sample::select(&INTERVALS),
    ) {
        let limit = Limit::every(Duration::from_nanos(interval));
        let all = admitted(&LeakyBucket::new(limit, 20), time::now(), &asked);
        for pair in all.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= interval * pair[0].1 as u64, "{:?}", pair);
        }
    }

    #[test]
    fn a_fixed_window_admits_its_limit(
        asked in questions(), window in 1_000..1_000_000u64, limit in 3..9usize,
    ) {
        let limiter = FixedWindow::new(limit, Duration::from_nanos(window));
        let start = time::now() + Duration::from_secs(1);
        let all = admitted(&limiter, start, &asked);
        // Wherever the windows begin, half as long a time is in two of them at most.
        for_all_windows(&all, |length, count| length >= window || count <= 2 * limit);
    }

    #[test]
    fn a_sliding_log_admits_its_limit_in_any_window(
        asked in questions(), window in 1_000..1_000_000u64, limit in 3..9usize,
    ) {
        let limiter = SlidingLog::new(limit, Duration::from_nanos(window));
        let all = admitted(&limiter, time::now(), &asked);
        for_all_windows(&all, |length, count| length >= window || count <= limit);
    }

    #[test]
    fn a_sliding_counter_admits_less_than_twice_its_limit(
        asked in questions(), window in 1_000..1_000_000u64, limit in 3..9usize,
    ) {
        let limiter = SlidingCounter::new(limit, Duration::from_nanos(window));
        let all = admitted(&limiter, time::now() + Duration::from_secs(1), &asked);
        for_all_windows(&all, |length, count| length >= window || count < 2 * limit);
    }

    #[test]
    fn several_limits_admit_what_each_of_them_does(
        mut asked in questions(), window in 1_000..1_000_000u64,
    ) {
        // What one of them would hold back is not among these.
        asked.iter_mut().for_each(|question| question.2 = Kind::Try);
        let limiter = MultiLimiter::new()
            .and(Limiter::new(Limit::every(Duration::from_nanos(1_000)), 3))
            .and(SlidingLog::new(5, Duration::from_nanos(window)));
        let all = admitted(&limiter, time::now(), &asked);
        for_all_windows(&all, is_within_rate(1_000, 3));
        for_all_windows(&all, |length, count| length >= window || count <= 5);
    }

    #[test]
    fn windows_that_are_aligned_admit_their_limit_exactly(
        asked in questions(), window in 1_000..1_000_000u64, limit in 3..9usize,
    ) {
        // In virtual time the limiters begin with the first question.
        gorge_runtime::sim::run(1, || {
            let window_length = Duration::from_nanos(window);
            let limiters: [&dyn RateLimiter; 2] =
                [&FixedWindow::new(limit, window_length), &SlidingCounter::new(limit, window_length)];
            for limiter in limiters {
                let mut counts = std::collections::BTreeMap::new();
                for (at, n) in admitted(limiter, time::now(), &asked) {
                    *counts.entry(at / window).or_insert(0) += n;
                }
                assert!(counts.values().all(|&count| count <= limit), "{counts:?}");
            }
        });
    }

    /// The word and the lock say the same: as a plain count of tokens does.
    #[test]
    fn a_limiter_is_what_a_count_of_tokens_is(
        asked in prop::collection::vec((0..400u64, 0..4usize), 1..200), burst in 1..5usize,
    ) {
        gorge_runtime::sim::run(1, || {
            const INTERVAL: u64 = 100;
            let limiter = Limiter::new(Limit::every(Duration::from_nanos(INTERVAL)), burst);
            // In tokens times the interval, so that all is whole.
            let full = burst as u64 * INTERVAL;
            let mut tokens = full;
            for (step, n) in asked {
                time::sleep(Duration::from_nanos(step));
                tokens = (tokens + step).min(full);
                let cost = n as u64 * INTERVAL;
                assert_eq!(limiter.allow_n(n), cost <= tokens, "{tokens} for {cost}");
                tokens -= if cost <= tokens { cost } else { 0 };
                assert_eq!(limiter.tokens(), tokens as f64 / INTERVAL as f64);
            }
        });
    }
}
