//! Ephemeral readers: topic patterns and a place to start, no cursor. Progress is the reader's own.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_catalog::{
    Boundary, Catalog, Start, Subscription, SubscriptionId, SubscriptionSpec, TopicPattern,
};
use tidings_event::{Code, Offset, PartitionId, Position, Refusal, Timestamp, TopicPartition};
use tidings_log::{PartitionLog, ReadError};

/// Most partitions that one ephemeral reader may follow when it is opened.
pub(crate) const PARTITIONS_MAX: usize = 65_536;

/// What an ephemeral reader follows, in the form the registry keeps alive.
pub(crate) async fn subscription(
    log: &dyn PartitionLog,
    catalog: &Catalog,
    tenant: &str,
    patterns: Vec<TopicPattern>,
    start: Start,
) -> Result<Subscription, Refusal> {
    if patterns.is_empty() {
        let refusal = Refusal::new(Code::FieldMissing, "a reader needs a topic pattern");
        return Err(refusal.at_field("topics").with_hint("`**` selects every topic"));
    }
    let spec = SubscriptionSpec {
        start,
        max_in_flight: u32::MAX,
        ack_deadline: Duration::ZERO,
        ..SubscriptionSpec::new("", patterns)
    };
    let mut partitions = Vec::new();
    for topic in catalog.snapshot().topics(tenant).filter(|topic| spec.covers(topic.name.path())) {
        partitions.extend(
            (0..topic.partitions)
                .map(PartitionId)
                .map(|partition| TopicPartition { topic: topic.id, partition }),
        );
    }
    if partitions.len() > PARTITIONS_MAX {
        let detail = format!("{} partitions, at most {PARTITIONS_MAX}", partitions.len());
        return Err(Refusal::new(Code::FieldInvalid, detail)
            .at_field("topics")
            .with_hint("name fewer topics"));
    }
    let boundary = boundary(log, &partitions, &spec.start).await?;
    Ok(Subscription {
        // Nothing is stored under it.
        id: SubscriptionId(0),
        tenant: tenant.into(),
        spec,
        created_at: Timestamp(0),
        boundary: Boundary::from(&boundary),
        is_paused: false,
        revisions: Vec::new(),
    })
}

/// Where each partition starts. One that no position names starts at 0: a resumed reader had seen
/// nothing of it.
pub(crate) async fn boundary(
    log: &dyn PartitionLog,
    partitions: &[TopicPartition],
    start: &Start,
) -> Result<BTreeMap<TopicPartition, Offset>, Refusal> {
    let mut boundary = BTreeMap::new();
    for &partition in partitions {
        let bounds = log.bounds(partition).map_err(|error| unreadable(&error))?;
        let at = match start {
            Start::Latest | Start::LastPerKey => bounds.durable_tail,
            Start::Earliest => bounds.trim,
            Start::Time(at) => {
                log.resolve_time(partition, *at).await.map_err(|error| unreadable(&error))?
            }
            Start::Positions(_) => Offset(0),
        };
        boundary.insert(partition, at);
    }
    if let Start::Positions(positions) = start {
        for position in positions {
            // One of a topic that is gone: nothing of it will come again.
            let Some(at) = boundary.get_mut(&position.topic_partition()) else { continue };
            check(log, position)?;
            *at = position.offset;
        }
    }
    Ok(boundary)
}

/// Refuses a position of another log, or beyond this one. Below the trim point is a gap notice's.
pub(crate) fn check(log: &dyn PartitionLog, position: &Position) -> Result<(), Refusal> {
    if position.epoch != log.epoch() {
        let detail = format!("its epoch is {}, the log's {}", position.epoch, log.epoch());
        return Err(Refusal::new(Code::PositionInvalid, detail)
            .with_hint("the log was restored since; start by time"));
    }
    let bounds = log.bounds(position.topic_partition()).map_err(|error| unreadable(&error))?;
    if position.offset > bounds.durable_tail {
        let (offset, tail) = (position.offset, bounds.durable_tail);
        let detail = format!("offset {offset} is above the durable tail {tail}");
        return Err(Refusal::new(Code::OffsetOutOfRange, detail));
    }
    Ok(())
}

fn unreadable(error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::DataLoss { .. } => Code::DataLoss,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}
