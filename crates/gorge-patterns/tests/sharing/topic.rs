//! `Topic`: by key, by rule, keys that come and go.

use crate::common::everywhere;
use crate::tools::{SEEDS, cancelled_at_any_point};
use gorge_channel::context::background;
use gorge_patterns::{OnLag, Topic};
use gorge_runtime::{go, sim};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn values_go_to_those_who_want_their_key() {
    everywhere(|| {
        let topic = Topic::new(16);
        let mut readers = [
            topic.subscribe("a"),
            topic.subscribe("a"),
            topic.subscribe("b"),
        ];
        let mut long = topic.subscribe_where(|key: &&str| key.len() > 1);
        assert_eq!(topic.publish("a", 1), 2);
        assert_eq!(topic.publish("b", 2), 1);
        assert_eq!(topic.publish("cc", 3), 1);
        assert_eq!(topic.publish("d", 4), 0);
        drop(topic);
        assert!(readers[0].iter().eq([("a", 1)]));
        assert!(readers[1].iter().eq([("a", 1)]));
        assert!(readers[2].iter().eq([("b", 2)]));
        assert!(long.iter().eq([("cc", 3)]));
    });
}

#[test]
fn keys_and_rules_that_nobody_wants_are_forgotten() {
    everywhere(|| {
        let (topic, token) = (Topic::new(2), Arc::new(()));
        for key in 0..100 {
            drop(topic.subscribe(key));
            let token = token.clone();
            drop(topic.subscribe_where(move |_| Arc::strong_count(&token) > 0));
            topic.publish(key, ());
        }
        assert_eq!(topic.keys(), 0);
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

#[test]
fn the_last_values_of_a_key_are_replayed() {
    everywhere(|| {
        let topic = Topic::new(4);
        let _keeps = topic.subscribe("a");
        (0..10).for_each(|number| _ = topic.publish("a", number));
        let mut late = topic.subscribe_with("a", OnLag::DropOldest, 2);
        assert_eq!((late.recv(), late.recv()), (Ok(("a", 8)), Ok(("a", 9))));
    });
}

#[test]
fn publishers_wait_for_those_who_block() {
    sim::check(SEEDS, || {
        let topic = Topic::new(1);
        let mut reader = topic.subscribe_with("a", OnLag::Block, 0);
        let publisher = go({
            let topic = topic.clone();
            move || (0..4).for_each(|number| _ = topic.publish("a", number))
        });
        let values: Vec<_> = reader.iter().take(4).map(|(_, value)| value).collect();
        assert_eq!(values, [0, 1, 2, 3]);
        publisher.join().unwrap();
        topic.publish("a", 4);
        let (ctx, _guard) = background().with_timeout(Duration::from_secs(1));
        assert!(topic.publish_with(&ctx, "a", 5).unwrap_err().is_timeout());
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let topic = Topic::new(1);
        let reader = {
            let (mut reader, ctx) = (topic.subscribe_with("a", OnLag::Block, 0), ctx.clone());
            go(move || while reader.recv_with(&ctx).is_ok() {})
        };
        for number in 0..3 {
            if topic.publish_with(ctx, "a", number).is_err() {
                break;
            }
        }
        drop(topic);
        reader.join().unwrap();
    });
}
