//! Deliveries that are cut, and that wait for more.

use std::time::Duration;

use tidings_catalog::Batching;

use super::rig::{Rig, next_delivery, nothing, offsets};

async fn rig(batching: Batching) -> Rig {
    let rig = Rig::new().await;
    rig.topic("a/b", 1).await;
    rig.subscribe_with("s", "a/b", |spec| spec.batching = batching).await;
    rig
}

#[tokio::test]
async fn a_delivery_has_at_most_so_many_events_and_bytes() {
    let rig = rig(Batching { max_events: Some(4), ..Batching::default() }).await;
    let topic = rig.topic("a/b", 1).await;
    rig.publish(&topic, 0, 10).await;
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2, 3]);
    assert_eq!(offsets(&next_delivery(&mut session).await), [4, 5, 6, 7]);
    assert_eq!(offsets(&next_delivery(&mut session).await), [8, 9]);
}

#[tokio::test]
async fn blocks_that_come_within_the_delay_go_together() {
    let max_delay = Duration::from_secs(5);
    let rig = rig(Batching { max_events: Some(10), max_delay, ..Batching::default() }).await;
    let topic = rig.topic("a/b", 1).await;
    let mut session = rig.attach("s").await;
    rig.publish(&topic, 0, 3).await;
    nothing(&mut session).await;
    rig.publish(&topic, 0, 3).await;
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(offsets(&next_delivery(&mut session).await), (0..6).collect::<Vec<_>>());
    // As soon as there is enough it goes, and no more than that.
    for _ in 0..4 {
        rig.publish(&topic, 0, 3).await;
    }
    assert_eq!(offsets(&next_delivery(&mut session).await), (6..16).collect::<Vec<_>>());
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(offsets(&next_delivery(&mut session).await), [16, 17]);
}
