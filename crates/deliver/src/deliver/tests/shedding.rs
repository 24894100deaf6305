//! While memory is short what waits for consumers that do not read is let go of; they get all of it
//! from the log, in order, and live blocks again after that.

use tidings_catalog::Topic;
use tidings_event::{Offset, PartitionId, TopicPartition};
use tidings_log::PartitionLog;
use tidings_telemetry::Counter;

use super::rig::{Rig, TENANT, filter, next_delivery, nothing, offsets, read, summary};
use super::streaming::nothing_but_confirmations;
use crate::deliver::KEPT_EACH_BYTES;
use crate::{Run, Session};

const BLOCKS: u64 = 40;

/// Somebody who does not go on, somebody who reads, and what both are sent.
struct Desk {
    rig: Rig,
    topic: std::sync::Arc<Topic>,
    slow: Session,
    fast: Session,
    /// What each got.
    got: [Vec<u64>; 2],
}

impl Desk {
    /// Who reads is told last: what it has, the other one was offered.
    async fn open(text: Option<&str>) -> Self {
        let rig = Rig::new().await;
        let topic = rig.topic("a/b", 1).await;
        for (name, most) in [("slow", 2), ("fast", 1_000)] {
            rig.subscribe_with(name, "a/b", |spec| {
                spec.max_in_flight = most;
                spec.filter = text.map(filter);
            })
            .await;
        }
        let (slow, fast) = (rig.attach("slow").await, rig.attach("fast").await);
        Self { rig, topic, slow, fast, got: [Vec::new(), Vec::new()] }
    }

    /// Blocks of two events, of two keys; who reads has read them.
    async fn publish(&mut self, wanted: usize) {
        for _ in 0..BLOCKS {
            let at = TopicPartition { topic: self.topic.id, partition: PartitionId(0) };
            let base = self.rig.log.bounds(at).unwrap().tail.0;
            let events = [summary(base, "A", "XNAS", true), summary(base + 1, "B", "XNAS", true)];
            self.rig.append(&self.topic, 0, &events).await;
        }
        let until = self.got[1].len() + wanted;
        read(&mut self.fast, &mut self.got[1], until).await;
    }

    fn waiting(&self) -> usize {
        self.rig.deliver.registry.find(TENANT, "slow").unwrap().lock().queued_bytes
    }

    fn reads(&self) -> u64 {
        self.rig.deliver.stage.recorder.counted(Counter::DeliverCatchUpReads)
    }
}

async fn check(text: Option<&str>, of_each: usize) {
    let mut desk = Desk::open(text).await;
    let blocks = usize::try_from(BLOCKS).unwrap();
    desk.publish(blocks * of_each).await;
    read(&mut desk.slow, &mut desk.got[0], 1).await;
    assert!(desk.waiting() > 0);
    // It was sent something: it may be on its way.
    assert_eq!((desk.rig.deliver.shed(false), desk.waiting() > 0), (0, true));
    let waited = desk.waiting();
    assert_eq!(desk.rig.deliver.shed(false), waited as u64);
    assert_eq!((desk.waiting(), desk.rig.deliver.shed(false)), (0, 0));
    // Nothing gathers while it does not read, either.
    desk.publish(blocks * of_each).await;
    assert_eq!(desk.waiting(), 0);
    let reads = desk.reads();
    let all = 2 * blocks * of_each;
    read(&mut desk.slow, &mut desk.got[0], all).await;
    assert_eq!(desk.got[0], desk.got[1]);
    let caught_up = desk.reads();
    assert!(caught_up > reads, "{reads} reads");
    // From here on it is handed blocks as they come.
    desk.publish(blocks * of_each).await;
    assert!(desk.waiting() > 0);
    read(&mut desk.slow, &mut desk.got[0], all / 2 * 3).await;
    assert_eq!((&desk.got[0], desk.reads()), (&desk.got[1], caught_up));
}

#[tokio::test]
async fn what_is_shed_comes_from_the_log_in_order() {
    check(None, 2).await;
}

#[tokio::test]
async fn what_is_shed_of_a_filter_comes_from_the_log_in_order() {
    check(Some("instrument == 'B'"), 1).await;
}

#[tokio::test]
async fn who_reads_keeps_what_waits_unless_all_is_to_go() {
    let mut desk = Desk::open(None).await;
    let events = 2 * usize::try_from(BLOCKS).unwrap();
    desk.publish(events).await;
    read(&mut desk.slow, &mut desk.got[0], 1).await;
    let waited = desk.waiting() as u64;
    assert_eq!(desk.rig.deliver.shed(false), 0);
    assert_eq!(desk.rig.deliver.shed(true), waited);
    read(&mut desk.slow, &mut desk.got[0], events).await;
    assert_eq!(desk.got[0], desk.got[1]);
}

#[tokio::test]
async fn what_is_little_stays() {
    let mut desk = Desk::open(Some("instrument == 'B'")).await;
    desk.publish(usize::try_from(BLOCKS).unwrap()).await;
    read(&mut desk.slow, &mut desk.got[0], 30).await;
    let waited = desk.waiting();
    assert!((1..KEPT_EACH_BYTES).contains(&waited), "{waited} bytes");
    assert_eq!((desk.rig.deliver.shed(true), desk.waiting()), (0, waited));
    let reads = desk.reads();
    read(&mut desk.slow, &mut desk.got[0], usize::try_from(BLOCKS).unwrap()).await;
    assert_eq!((&desk.got[0], desk.reads()), (&desk.got[1], reads));
}

#[tokio::test]
async fn who_holds_much_and_settles_none_of_it_gets_no_more() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 10_000).await;
    let mut session = rig.attach("s").await;
    for _ in 0..30 {
        rig.publish(&topic, 0, 10).await;
    }
    let mut first = next_delivery(&mut session).await;
    while offsets(&first).last() < Some(&299) {
        first = next_delivery(&mut session).await;
    }
    // It may be about to settle them: only when this is said again it was seen to settle nothing.
    assert_eq!(rig.deliver.shed(false), 0);
    rig.publish(&topic, 0, 10).await;
    assert_eq!(offsets(&next_delivery(&mut session).await).len(), 10);
    let _bytes = rig.deliver.shed(false);
    rig.publish(&topic, 0, 10).await;
    nothing(&mut session).await;
    let acked = Run {
        topic: first.topic.id,
        epoch: first.epoch,
        partition: first.partition,
        first: Offset(0),
        last: Offset(0),
    };
    session.ack(Vec::new(), vec![acked]);
    assert_eq!(offsets(&next_delivery(&mut session).await), (310..320).collect::<Vec<_>>());
    // And again, until some time has passed in which nobody said that memory is short.
    let _bytes = (rig.deliver.shed(false), rig.deliver.shed(false));
    rig.publish(&topic, 0, 10).await;
    nothing_but_confirmations(&mut session).await;
    rig.clock.advance(std::time::Duration::from_secs(3));
    assert_eq!(offsets(&next_delivery(&mut session).await), (320..330).collect::<Vec<_>>());
}
