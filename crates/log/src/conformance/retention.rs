//! Cases of retention: what is trimmed, what pins keep, what readers are told.

use std::time::Duration;

use tidings_event::{Offset, Timestamp, TopicPartition};

use super::Engine;
use super::fixture::{DAY, NOW, append, block, read_all, read_from, topic};
use crate::{PartitionLog, ReadError, Retention, TopicSpec};

const PARTITION: TopicPartition =
    TopicPartition { topic: tidings_event::TopicId(1), partition: tidings_event::PartitionId(0) };

/// An hour for each block that `fill` stores.
const HOUR: Duration = Duration::from_secs(3600);

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0 + u64::try_from(by.as_nanos()).unwrap())
}

/// Ten blocks of ten events, ingested an hour apart.
async fn fill(log: &dyn PartitionLog, partition: TopicPartition) {
    for hour in 0..10 {
        let mut block = block(log, partition, u64::from(hour) * 10, (10, 100));
        block.header.ingested_at = later(NOW, hour * HOUR);
        append(log, block).await;
    }
}

async fn filled(log: &dyn PartitionLog) {
    log.ensure_topic(&topic(1, 2, DAY)).await.unwrap();
    fill(log, PARTITION).await;
}

fn trimmed(log: &dyn PartitionLog) -> u64 {
    log.bounds(PARTITION).unwrap().trim.0
}

/// Blocks older than the retention go, the others stay, also when asked again.
pub async fn age_moves_trim_points(engine: &mut dyn Engine) {
    let log = engine.open().await;
    filled(&*log).await;
    assert_eq!(log.trim(later(NOW, DAY)).await, []);
    // Half an hour past three blocks' time.
    let now = later(NOW, DAY + 2 * HOUR + HOUR / 2);
    assert_eq!(log.trim(now).await, [(PARTITION, 30)]);
    assert_eq!(log.trim(now).await, []);
    assert_eq!(trimmed(&*log), 30);
    assert_eq!(read_all(&*log, PARTITION).await.len(), 7);
    assert_eq!(log.trim(later(NOW, 3 * DAY)).await, [(PARTITION, 70)]);
    let bounds = log.bounds(PARTITION).unwrap();
    assert_eq!((bounds.trim, bounds.tail), (Offset(100), Offset(100)));
    assert!(read_all(&*log, PARTITION).await.is_empty());
    append(&*log, block(&*log, PARTITION, 100, (1, 10))).await;
    assert_eq!(read_all(&*log, PARTITION).await.len(), 1);
}

/// The oldest go first, whichever partition they are in, until the topic fits.
pub async fn bytes_are_counted_over_the_whole_topic(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let size = {
        let block = block(&*log, PARTITION, 0, (10, 100));
        (block.header.encoded_bytes() + block.body.len()) as u64
    };
    // Room for a little more than twelve blocks; sizes differ by the digits of the offsets.
    let retention = Retention { age: 7 * DAY, bytes: Some(12 * size + size / 2) };
    let spec = TopicSpec { id: PARTITION.topic, partitions: 2, retention };
    log.ensure_topic(&spec).await.unwrap();
    let other = TopicPartition { partition: tidings_event::PartitionId(1), ..PARTITION };
    for number in 0..20 {
        let partition = if number % 2 == 0 { PARTITION } else { other };
        let mut block = block(&*log, partition, u64::from(number / 2) * 10, (10, 100));
        block.header.ingested_at = later(NOW, number * Duration::from_secs(1));
        append(&*log, block).await;
    }
    let lost: u64 = log.trim(NOW).await.into_iter().map(|(_, events)| events).sum();
    assert_eq!(lost, 80);
    let kept = [PARTITION, other].map(|p| 100 - log.bounds(p).unwrap().trim.0);
    assert_eq!(kept, [60, 60]);
}

/// Until it moves or goes.
pub async fn a_pin_keeps_data_past_retention(engine: &mut dyn Engine) {
    let log = engine.open().await;
    filled(&*log).await;
    let late = later(NOW, 30 * DAY);
    log.pin(PARTITION, "subscription", Offset(20));
    assert_eq!(log.trim(late).await, [(PARTITION, 20)]);
    assert_eq!(read_all(&*log, PARTITION).await.len(), 8);
    log.pin(PARTITION, "subscription", Offset(50));
    assert_eq!(log.trim(late).await, [(PARTITION, 30)]);
    assert_eq!(read_all(&*log, PARTITION).await.len(), 5);
    log.unpin(PARTITION, "subscription");
    assert_eq!(log.trim(late).await, [(PARTITION, 50)]);
}

/// Each name holds its own.
pub async fn the_lowest_pin_wins(engine: &mut dyn Engine) {
    let log = engine.open().await;
    filled(&*log).await;
    let late = later(NOW, 30 * DAY);
    log.pin(PARTITION, "fast", Offset(80));
    log.pin(PARTITION, "slow", Offset(10));
    log.trim(late).await;
    assert_eq!(trimmed(&*log), 10);
    log.unpin(PARTITION, "slow");
    log.unpin(PARTITION, "never there");
    log.trim(late).await;
    assert_eq!(trimmed(&*log), 80);
}

/// What bytes alone would have taken later stays.
pub async fn nothing_else_goes_for_what_is_pinned(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let size = {
        let block = block(&*log, PARTITION, 0, (10, 100));
        (block.header.encoded_bytes() + block.body.len()) as u64
    };
    // Room for a little more than half of what comes.
    let retention = Retention { age: 7 * DAY, bytes: Some(10 * size + size / 2) };
    let spec = TopicSpec { id: PARTITION.topic, partitions: 2, retention };
    log.ensure_topic(&spec).await.unwrap();
    fill(&*log, PARTITION).await;
    let other = TopicPartition { partition: tidings_event::PartitionId(1), ..PARTITION };
    fill(&*log, other).await;
    log.pin(PARTITION, "subscription", Offset(20));
    assert_eq!(log.trim(NOW).await, [(PARTITION, 20)]);
    log.unpin(PARTITION, "subscription");
    assert_eq!(log.trim(NOW).await, [(PARTITION, 80)]);
    assert_eq!(log.bounds(other).unwrap().trim, Offset(0));
}

/// It is not given the oldest that is left as if nothing were missing.
pub async fn a_lagging_reader_is_told_what_was_trimmed(engine: &mut dyn Engine) {
    let log = engine.open().await;
    filled(&*log).await;
    log.trim(later(NOW, DAY + 2 * HOUR + HOUR / 2)).await;
    for asked in [0, 10, 29] {
        let refused = read_from(&*log, PARTITION, Offset(asked), 1 << 20).await.unwrap_err();
        assert_eq!(refused, ReadError::Trimmed { asked: Offset(asked), trim: Offset(30) });
    }
    let rest = read_from(&*log, PARTITION, Offset(30), 1).await.unwrap();
    assert_eq!(rest.len(), 7);
}

/// What was said to be gone does not come back.
pub async fn trim_points_survive_reopening(engine: &mut dyn Engine) {
    let log = engine.open().await;
    filled(&*log).await;
    log.trim(later(NOW, DAY + 2 * HOUR + HOUR / 2)).await;
    log.close().await;
    let log = engine.open().await;
    assert_eq!(trimmed(&*log), 30);
    assert_eq!(read_all(&*log, PARTITION).await.len(), 7);
}
