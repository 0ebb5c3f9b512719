//! What can be seen only by somebody who knows whether others are queued.

use super::{AcquireError, AcquireTimeoutError, Semaphore, TryAcquireError};
use crate::common::{Party, Setting, for_each_setting};
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

fn until_queued(setting: Setting, semaphore: &Semaphore, n: usize) {
    setting.until("they are queued", || semaphore.core.queued() == n);
}

/// Starts a party that acquires `n` permits and forgets them.
fn start_taking(
    setting: Setting,
    semaphore: &Arc<Semaphore>,
    n: usize,
) -> Party<Result<(), AcquireError>> {
    let semaphore = semaphore.clone();
    setting.start(move || semaphore.acquire_many(n).map(|permit| permit.forget()))
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(0));
        let turn = Arc::new(AtomicUsize::new(0));
        let parties: Vec<_> = (0..5)
            .map(|i| {
                let (shared, turn) = (semaphore.clone(), turn.clone());
                let party = setting.start(move || {
                    let _permit = shared.acquire().expect("it is not closed");
                    // One permit: the next one has its turn after this.
                    assert_eq!(turn.fetch_add(1, Ordering::Relaxed), i);
                });
                until_queued(setting, &semaphore, i + 1);
                party
            })
            .collect();
        semaphore.add_permits(1);
        parties.into_iter().for_each(Party::join);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_large_waiter_is_not_overtaken_by_small_ones() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        let large = start_taking(setting, &semaphore, 3);
        until_queued(setting, &semaphore, 1);
        let small = start_taking(setting, &semaphore, 1);
        until_queued(setting, &semaphore, 2);
        // There is one, which would suffice for these.
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            TryAcquireError::NoPermits
        );
        let refused = semaphore.acquire_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(refused, AcquireTimeoutError::Timeout);
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 2);
        assert_eq!(semaphore.core.queued(), 2);
        semaphore.add_permits(1);
        assert_eq!(large.join(), Ok(()));
        assert_eq!((semaphore.core.queued(), small.is_finished()), (1, false));
        semaphore.add_permits(1);
        assert_eq!(small.join(), Ok(()));
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn one_release_serves_all_whom_it_suffices_for() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(0));
        let needs = [2, 1, 3, 4, 1];
        let mut parties: Vec<_> = needs
            .iter()
            .zip(1..)
            .map(|(n, queued)| {
                let party = start_taking(setting, &semaphore, *n);
                until_queued(setting, &semaphore, queued);
                party
            })
            .collect();
        semaphore.add_permits(8);
        // Two are left, which is too few for the fourth; the fifth is behind it.
        let last = parties.split_off(3);
        assert!(parties.into_iter().all(|party| party.join() == Ok(())));
        assert_eq!(
            (semaphore.core.queued(), semaphore.available_permits()),
            (2, 2)
        );
        semaphore.add_permits(3);
        assert!(last.into_iter().all(|party| party.join() == Ok(())));
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn when_the_first_waiter_times_out_those_behind_it_get_what_suffices() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(2));
        let shared = semaphore.clone();
        let large = setting.start(move || {
            let refused = shared.acquire_many_timeout(3, Duration::from_millis(20));
            refused.map(drop)
        });
        setting.until("it is queued or gone", || {
            semaphore.core.queued() == 1 || large.is_finished()
        });
        let small = [1, 1].map(|n| start_taking(setting, &semaphore, n));
        assert_eq!(large.join(), Err(AcquireTimeoutError::Timeout));
        // Nobody gives anything back.
        assert!(small.into_iter().all(|party| party.join() == Ok(())));
        assert_eq!(
            (semaphore.core.queued(), semaphore.available_permits()),
            (0, 0)
        );
    });
}

#[test]
fn a_waiter_that_times_out_leaves_the_queue_from_any_place() {
    for_each_setting(|setting| {
        for place in 0..3 {
            let semaphore = Arc::new(Semaphore::new(0));
            let start = |patience| {
                let shared = semaphore.clone();
                setting.start(move || {
                    let permit = shared.acquire_timeout(patience);
                    permit.map(|permit| permit.forget())
                })
            };
            let queued = || semaphore.core.queued();
            let mut patient = Vec::new();
            for before in 0..place {
                patient.push(start(AGES));
                until_queued(setting, &semaphore, before + 1);
            }
            let impatient = start(Duration::from_millis(20));
            setting.until("it is queued or gone", || {
                queued() > place || impatient.is_finished()
            });
            for after in place..2 {
                patient.push(start(AGES));
                setting.until("it is queued", || {
                    queued() == after + 2 || (impatient.is_finished() && queued() == after + 1)
                });
            }
            assert_eq!(impatient.join(), Err(AcquireTimeoutError::Timeout));
            assert_eq!(queued(), 2);
            semaphore.add_permits(2);
            assert!(patient.into_iter().all(|party| party.join() == Ok(())));
            assert_eq!(semaphore.available_permits(), 0);
        }
    });
}

#[test]
fn a_close_turns_away_all_who_wait_and_leaves_the_permits() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        let parties: Vec<_> = (0..4)
            .map(|i| {
                let party = start_taking(setting, &semaphore, 2 + i);
                until_queued(setting, &semaphore, i + 1);
                party
            })
            .collect();
        semaphore.close();
        assert_eq!(semaphore.core.queued(), 0);
        for party in parties {
            assert!(party.join().is_err());
        }
        assert_eq!(semaphore.available_permits(), 1);
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn permits_are_forgotten_and_zero_are_had_while_others_wait() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(3));
        let waiter = start_taking(setting, &semaphore, 4);
        until_queued(setting, &semaphore, 1);
        assert!(semaphore.acquire_many(0).is_ok());
        assert!(semaphore.try_acquire_many(0).is_ok());
        assert_eq!(semaphore.forget_permits(2), 2);
        assert_eq!(semaphore.forget_permits(0), 0);
        assert_eq!(semaphore.available_permits(), 1);
        semaphore.add_permits(2);
        assert_eq!(semaphore.core.queued(), 1);
        assert_eq!(semaphore.forget_permits(9), 3);
        semaphore.add_permits(4);
        assert_eq!(waiter.join(), Ok(()));
    });
}

#[test]
fn too_many_permits_are_refused_while_others_wait_and_nothing_changes() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        let waiter = start_taking(setting, &semaphore, 2);
        until_queued(setting, &semaphore, 1);
        let shared = semaphore.clone();
        let message = setting
            .start(move || shared.add_permits(Semaphore::MAX_PERMITS))
            .panic_message();
        assert!(
            message.starts_with("Semaphore: too many permits"),
            "{message}"
        );
        assert_eq!(
            (semaphore.core.queued(), semaphore.available_permits()),
            (1, 1)
        );
        semaphore.add_permits(1);
        assert_eq!(waiter.join(), Ok(()));
    });
}
