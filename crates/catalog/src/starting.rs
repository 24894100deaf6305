//! Where a new subscription starts in every partition that exists.

use std::collections::BTreeMap;

use tidings_event::{Code, Offset, PartitionId, Position, Refusal, Timestamp, TopicPartition};
use tidings_log::ReadError;

use crate::ledger::Ledger;
use crate::records;
use crate::snapshot::Snapshot;
use crate::subscription::{Start, SubscriptionId, SubscriptionSpec};

impl Ledger {
    /// Where a subscription starts in the partitions of the topics it covers now.
    pub(crate) async fn boundary(
        &self,
        snapshot: &Snapshot,
        tenant: &str,
        spec: &SubscriptionSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Refusal> {
        let mut boundary = BTreeMap::new();
        for place in covered(snapshot, tenant, spec) {
            boundary.insert(place, self.starts_at(place, &spec.start).await?);
        }
        if let Start::Positions(positions) = &spec.start {
            for (index, position) in positions.iter().enumerate() {
                let field = format!("start.positions[{index}]");
                let place = position.topic_partition();
                let Some(starts_at) = boundary.get_mut(&place) else {
                    let detail = "it is in no topic that the patterns select";
                    return Err(Refusal::new(Code::PositionInvalid, detail).at_field(field));
                };
                self.check_position(position).map_err(|refusal| refusal.at_field(field))?;
                *starts_at = position.offset;
            }
        }
        Ok(boundary)
    }

    /// Makes durable that a subscription begins with last values; says where it goes on after them.
    pub(crate) async fn begin(
        &self,
        snapshot: &Snapshot,
        id: SubscriptionId,
        tenant: &str,
        spec: &SubscriptionSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Refusal> {
        let Some(beginnings) = self.beginnings.get() else {
            let refusal = Refusal::new(Code::NotAvailable, "last values are not kept here");
            return Err(refusal.at_field("start"));
        };
        let partitions = covered(snapshot, tenant, spec);
        let begins = beginnings.beginning(id, tenant, spec, partitions).await?;
        for part in records::parts(begins.changes) {
            self.commit(part, |_| {}).await?;
        }
        Ok(begins.boundary)
    }

    /// The first offset of a partition that is not durable.
    pub(crate) fn durable_tail(&self, place: TopicPartition) -> Result<Offset, Refusal> {
        self.log.bounds(place).map(|bounds| bounds.durable_tail).map_err(|e| unreadable(&e))
    }

    /// The first offset of a partition that is kept; `None` when the log does not know it.
    pub(crate) fn trim(&self, place: TopicPartition) -> Option<Offset> {
        self.log.bounds(place).ok().map(|bounds| bounds.trim)
    }

    async fn starts_at(&self, place: TopicPartition, start: &Start) -> Result<Offset, Refusal> {
        let bounds = self.log.bounds(place).map_err(|e| unreadable(&e))?;
        match start {
            Start::Latest | Start::LastPerKey => Ok(bounds.durable_tail),
            Start::Earliest | Start::Positions(_) => Ok(bounds.trim),
            Start::Time(at) => self.resolve(place, *at).await,
        }
    }

    async fn resolve(&self, place: TopicPartition, at: Timestamp) -> Result<Offset, Refusal> {
        self.log.resolve_time(place, at).await.map_err(|e| unreadable(&e))
    }

    fn check_position(&self, position: &Position) -> Result<(), Refusal> {
        if position.epoch != self.log.epoch() {
            let detail = format!("its epoch is {}, the log's {}", position.epoch, self.log.epoch());
            return Err(Refusal::new(Code::PositionInvalid, detail)
                .with_hint("the log was restored since; start by time"));
        }
        let bounds = self.log.bounds(position.topic_partition()).map_err(|e| unreadable(&e))?;
        let offset = position.offset;
        if offset < bounds.trim {
            let detail = format!("offset {offset} is below the trim point {}", bounds.trim);
            return Err(Refusal::new(Code::OffsetTrimmed, detail));
        }
        if offset > bounds.durable_tail {
            let detail =
                format!("offset {offset} is above the durable tail {}", bounds.durable_tail);
            return Err(Refusal::new(Code::OffsetOutOfRange, detail));
        }
        Ok(())
    }
}

/// The partitions of the topics that a subscription covers now.
fn covered(snapshot: &Snapshot, tenant: &str, spec: &SubscriptionSpec) -> Vec<TopicPartition> {
    let topics = snapshot.topics(tenant).filter(|topic| spec.covers(topic.name.path()));
    let places = topics.flat_map(|topic| {
        let partitions = (0..topic.partitions).map(PartitionId);
        partitions.map(|partition| TopicPartition { topic: topic.id, partition })
    });
    places.collect()
}

fn unreadable(error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::DataLoss { .. } => Code::DataLoss,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}
