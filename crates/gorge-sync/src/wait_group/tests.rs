//! What can be seen only by somebody who knows how many wait.

use super::WaitGroup;

use crate::common::{Party, for_each_setting};

#[test]
fn the_last_done_wakes_everybody_who_waits() {
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        group.add(2);
        let parties: Vec<_> = (0..20)
            .map(|_| {
                let group = group.clone();
                setting.start(move || group.wait())
            })
            .collect();
        setting.until("all wait", || group.core.waiters() == 20);
        group.done();
        assert_eq!(group.core.waiters(), 20);
        group.done();
        assert_eq!(group.core.waiters(), 0);
        parties.into_iter().for_each(Party::join);
    });
}

#[test]
fn a_timed_wait_that_gave_up_is_not_counted_any_more() {
    let group = WaitGroup::new();
    group.add(1);
    assert!(!group.wait_timeout(std::time::Duration::from_millis(1)));
    assert_eq!(group.core.waiters(), 0);
}
