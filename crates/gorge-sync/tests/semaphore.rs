//! What a semaphore does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::{Party, for_each_setting};
use gorge_runtime::{time, yield_now};
use gorge_sync::{
    AcquireError, AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    TryAcquireError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

#[test]
fn permits_are_taken_and_given_back() {
    static SEMAPHORE: Semaphore = Semaphore::new(3);
    for_each_setting(|_| {
        let one = SEMAPHORE.acquire().unwrap();
        let two = SEMAPHORE.try_acquire_many(2).unwrap();
        assert_eq!((one.num_permits(), two.num_permits()), (1, 2));
        assert_eq!(SEMAPHORE.available_permits(), 0);
        let refused = SEMAPHORE.try_acquire().unwrap_err();
        assert_eq!(refused, TryAcquireError::NoPermits);
        drop(two);
        assert_eq!(SEMAPHORE.available_permits(), 2);
        let refused = SEMAPHORE.try_acquire_many(3).unwrap_err();
        assert_eq!(refused, TryAcquireError::NoPermits);
        drop(one);
        assert_eq!(SEMAPHORE.acquire_many(3).unwrap().num_permits(), 3);
        assert_eq!(
            format!("{SEMAPHORE:?}"),
            "Semaphore { available_permits: 3, is_closed: false }"
        );
    });
}

#[test]
fn there_are_never_more_permits_in_use_than_there_are() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(5));
        let in_use = Arc::new(AtomicUsize::new(0));
        setting.run_all(8, {
            let semaphore = semaphore.clone();
            move |i| {
                for round in 0..60 {
                    let n = (i + round) % 5 + 1;
                    let permit = match round % 4 {
                        0 => semaphore.try_acquire_many(n).ok(),
                        1 => {
                            let patience = Duration::from_micros(round as u64);
                            semaphore.acquire_many_timeout(n, patience).ok()
                        }
                        _ => semaphore.acquire_many(n).ok(),
                    };
                    if let Some(permit) = permit {
                        let before = in_use.fetch_add(n, Ordering::Relaxed);
                        assert!(before + n <= 5, "{before} and {n} permits in use");
                        if round % 3 == 0 {
                            yield_now();
                        }
                        in_use.fetch_sub(n, Ordering::Relaxed);
                        drop(permit);
                    }
                }
            }
        });
        assert_eq!(semaphore.available_permits(), 5);
    });
}

#[test]
fn what_was_done_with_a_permit_is_seen_with_the_next() {
    for_each_setting(|setting| {
        let shared = Arc::new((Semaphore::new(1), AtomicUsize::new(0)));
        setting.run_all(8, {
            let shared = shared.clone();
            move |_| {
                let (semaphore, count) = &*shared;
                for _ in 0..150 {
                    let _permit = semaphore.acquire().unwrap();
                    // Two steps, which others must not get between.
                    let before = count.load(Ordering::Relaxed);
                    count.store(before + 1, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(shared.1.load(Ordering::Relaxed), 1200);
    });
}

#[test]
fn a_large_acquire_is_not_starved_by_small_ones() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(4));
        let done = Arc::new(AtomicUsize::new(0));
        let small: Vec<_> = (0..4)
            .map(|_| {
                let (semaphore, done) = (semaphore.clone(), done.clone());
                setting.start(move || {
                    // One of them has a permit at any time, but for the large one.
                    while done.load(Ordering::Relaxed) == 0 {
                        let _permit = semaphore.acquire().unwrap();
                        setting.pause();
                    }
                })
            })
            .collect();
        for _ in 0..5 {
            drop(semaphore.acquire_many(4).unwrap());
        }
        done.store(1, Ordering::Relaxed);
        small.into_iter().for_each(Party::join);
        assert_eq!(semaphore.available_permits(), 4);
    });
}

#[test]
fn permits_are_forgotten_merged_and_split() {
    let semaphore = Semaphore::new(6);
    let mut permit = semaphore.acquire_many(2).unwrap();
    permit.merge(semaphore.acquire_many(3).unwrap());
    assert_eq!(permit.num_permits(), 5);
    assert!(permit.split(6).is_none());
    let one = permit.split(1).unwrap();
    let none = permit.split(0).unwrap();
    assert_eq!((one.num_permits(), permit.num_permits()), (1, 4));
    drop((one, none));
    assert_eq!(semaphore.available_permits(), 2);
    permit.split(3).unwrap().forget();
    drop(permit);
    assert_eq!(semaphore.available_permits(), 3);
    semaphore.add_permits(3);
    assert_eq!(semaphore.available_permits(), 6);
    assert_eq!(semaphore.forget_permits(7), 6);
    assert_eq!(semaphore.forget_permits(7), 0);
}

#[test]
fn owned_permits_are_forgotten_merged_and_split() {
    let semaphore = Arc::new(Semaphore::new(6));
    let mut permit = semaphore.clone().acquire_many_owned(2).unwrap();
    permit.merge(semaphore.clone().try_acquire_many_owned(3).unwrap());
    assert_eq!(permit.num_permits(), 5);
    assert!(permit.split(6).is_none());
    drop(permit.split(1).unwrap());
    assert_eq!(semaphore.available_permits(), 2);
    permit.split(3).unwrap().forget();
    assert!(Arc::ptr_eq(permit.semaphore(), &semaphore));
    drop(permit);
    assert_eq!(semaphore.available_permits(), 3);
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

#[test]
fn the_last_owned_permit_frees_the_semaphore() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(3));
        let weak = Arc::downgrade(&semaphore);
        let permits = [
            semaphore.clone().acquire_owned().unwrap(),
            semaphore.clone().try_acquire_owned().unwrap(),
            semaphore.acquire_timeout_owned(AGES).unwrap(),
        ];
        let parties = permits.map(|permit| setting.start(move || drop(permit)));
        parties.into_iter().for_each(Party::join);
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn a_permit_may_be_given_back_elsewhere() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        for _ in 0..100 {
            let permit = semaphore.clone().acquire_owned().unwrap();
            let party = setting.start(move || drop(permit));
            assert!(semaphore.acquire_timeout(AGES).is_ok());
            party.join();
        }
    });
}

#[test]
fn more_than_there_are_waits_until_some_are_added() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(2));
        let shared = semaphore.clone();
        let party = setting.start(move || shared.acquire_many(5).unwrap().forget());
        (0..3).for_each(|_| semaphore.add_permits(1));
        party.join();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn a_timeout_ends_a_wait_and_leaves_the_permits() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        let waits: [fn(Arc<Semaphore>) -> Option<AcquireTimeoutError>; 6] = [
            |it| it.acquire_many_timeout(2, Duration::ZERO).err(),
            |it| it.acquire_many_timeout(2, Duration::from_millis(1)).err(),
            |it| it.acquire_many_until(2, time::now()).err(),
            |it| {
                let _permit = it.acquire();
                it.acquire_timeout(Duration::from_millis(1)).err()
            },
            |it| {
                let _permit = it.acquire();
                it.acquire_until(time::now() + Duration::from_millis(1))
                    .err()
            },
            |it| {
                it.acquire_many_timeout_owned(2, Duration::from_millis(1))
                    .err()
            },
        ];
        for wait in waits {
            let shared = semaphore.clone();
            let error = setting.start(move || wait(shared)).join();
            assert_eq!(error, Some(AcquireTimeoutError::Timeout));
            assert_eq!(semaphore.available_permits(), 1);
        }
        // Beyond the end of time, and in the past, but there is one.
        assert!(semaphore.acquire_timeout(Duration::MAX).is_ok());
        assert!(semaphore.acquire_timeout(Duration::ZERO).is_ok());
        assert!(semaphore.acquire_until(time::now()).is_ok());
    });
}

#[test]
fn a_close_ends_every_form_of_waiting_and_refuses_all_that_come_later() {
    for_each_setting(|setting| {
        let forms: [fn(Arc<Semaphore>) -> String; 6] = [
            |it| it.acquire().unwrap_err().to_string(),
            |it| it.acquire_many(3).unwrap_err().to_string(),
            |it| it.acquire_timeout(AGES).unwrap_err().to_string(),
            |it| {
                it.acquire_until(time::now() + AGES)
                    .unwrap_err()
                    .to_string()
            },
            |it| it.acquire_owned().unwrap_err().to_string(),
            |it| {
                it.acquire_many_timeout_owned(2, AGES)
                    .unwrap_err()
                    .to_string()
            },
        ];
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.acquire().unwrap();
        let start = || {
            let parties = forms.map(|form| {
                let shared = semaphore.clone();
                setting.start(move || form(shared))
            });
            // Closed while some of them wait, and others come.
            setting.pause();
            semaphore.close();
            parties.map(Party::join)
        };
        for _ in 0..2 {
            for text in start() {
                assert_eq!(
                    text,
                    "acquiring from a closed semaphore: no permits are given out any more"
                );
            }
        }
        assert!(semaphore.is_closed());
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            TryAcquireError::Closed
        );
        let refused = semaphore.clone().try_acquire_many_owned(0).unwrap_err();
        assert_eq!(refused, TryAcquireError::Closed);
        assert!(semaphore.acquire_many(0).is_err());
        // What is in use stays valid.
        assert_eq!(semaphore.available_permits(), 0);
        drop(permit);
        semaphore.add_permits(2);
        assert_eq!(semaphore.available_permits(), 3);
        assert_eq!(semaphore.forget_permits(1), 1);
    });
}

#[test]
fn a_panic_gives_permits_back() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(2));
        let shared = semaphore.clone();
        let party = setting.start(move || {
            let _permit = shared.acquire_many(2).unwrap();
            panic!("on purpose");
        });
        assert_eq!(party.panic_message(), "on purpose");
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn misuse_panics_with_the_rule_and_changes_nothing() {
    for_each_setting(|setting| {
        let semaphore = Arc::new(Semaphore::new(1));
        type Misuse = fn(&Semaphore);
        let misuses: [(Misuse, &str); 5] = [
            (
                |_| drop(Semaphore::new(Semaphore::MAX_PERMITS + 1)),
                "Semaphore: too many permits: there may be",
            ),
            (
                |it| it.add_permits(Semaphore::MAX_PERMITS),
                "Semaphore: too many permits: more were added",
            ),
            (
                |it| drop(it.acquire_many(Semaphore::MAX_PERMITS + 1)),
                "permits were asked for: there are never more",
            ),
            (
                |it| drop(it.try_acquire_many(usize::MAX)),
                "permits were asked for: there are never more",
            ),
            (
                |it| {
                    let other = Semaphore::new(1);
                    let mut theirs = other.acquire().unwrap();
                    theirs.merge(it.acquire().unwrap());
                },
                "Semaphore: only permits of the same semaphore can be merged",
            ),
        ];
        for (misuse, rule) in misuses {
            let shared = semaphore.clone();
            let message = setting.start(move || misuse(&shared)).panic_message();
            assert!(message.contains(rule), "{message}");
            assert_eq!(semaphore.available_permits(), 1);
        }
        semaphore.add_permits(Semaphore::MAX_PERMITS - 1);
        let all = semaphore.acquire_many(Semaphore::MAX_PERMITS).unwrap();
        assert_eq!(semaphore.available_permits(), 0);
        drop(all);
        assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    });
}

#[test]
fn who_got_the_last_permit_may_free_the_semaphore_at_once() {
    for_each_setting(|setting| {
        for _ in 0..60 {
            let shared = Box::into_raw(Box::new(Semaphore::new(0))).expose_provenance();
            let pointer = move || std::ptr::with_exposed_provenance_mut::<Semaphore>(shared);
            let parties: Vec<_> = (0..3)
                .map(|i| {
                    setting.start(move || {
                        if i == 0 {
                            yield_now();
                        }
                        // SAFETY: it is not freed before this permit was got.
                        unsafe { &*pointer() }.add_permits(1);
                    })
                })
                .collect();
            // SAFETY: freed below.
            let all = unsafe { &*pointer() }.acquire_many(3).unwrap();
            all.forget();
            // SAFETY: all have added theirs, and touch it no more.
            drop(unsafe { Box::from_raw(pointer()) });
            parties.into_iter().for_each(Party::join);
        }
    });
}

#[test]
fn semaphores_and_permits_may_be_sent_and_shared_and_errors_say_what_to_do() {
    fn sent_and_shared<T: Send + Sync>() {}
    sent_and_shared::<Semaphore>();
    sent_and_shared::<SemaphorePermit<'static>>();
    sent_and_shared::<OwnedSemaphorePermit>();
    fn errors<E: std::error::Error + Copy + Send + Sync + 'static>() {}
    errors::<AcquireError>();
    errors::<TryAcquireError>();
    errors::<AcquireTimeoutError>();
    assert_eq!(
        TryAcquireError::NoPermits.to_string(),
        "too few permits are available now: try again later, or wait with `acquire`"
    );
    assert_eq!(
        AcquireTimeoutError::Timeout.to_string(),
        "timed out waiting for permits: try again, or with a longer timeout"
    );
}
