//! How deliveries ended, as a stopped service left it on its disk: nobody can subscribe to that.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use tidings_catalog::{Catalog, InternalTopic, SubscriptionId};
use tidings_checker::history::{Range, Settled};
use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_event::v1::Settlement;
use tidings_event::{PartitionId, TopicId, block};
use tidings_log::PartitionLog;

use crate::stored::{READ_BYTES, open};

/// Every settlement in a data directory that nobody serves, in the order written for each partition.
///
/// # Panics
/// When it cannot be read.
pub async fn settlements(data: &Path) -> Vec<Settled> {
    of_log(open(data).await).await
}

pub(crate) async fn of_log((log, catalog): (Arc<dyn PartitionLog>, Arc<Catalog>)) -> Vec<Settled> {
    let names = Names::of(&catalog);
    let mut all = Vec::new();
    for number in 0..InternalTopic::SETTLEMENTS.partitions {
        let partition = InternalTopic::SETTLEMENTS.about(PartitionId(number));
        let mut from = log.bounds(partition).expect("the topic is there").trim;
        loop {
            let blocks = log.read(partition, from, READ_BYTES).await;
            let blocks = blocks.expect("settlements can be read");
            let Some(last) = blocks.last() else { break };
            from = last.end_offset();
            for committed in &blocks {
                for item in block::events(&committed.block.body) {
                    let settlement = Settlement::decode(item.expect("a body is whole"));
                    all.extend(names.read(&settlement.expect("it is a settlement")));
                }
            }
        }
    }
    log.close().await;
    all
}

/// What numbers stand for.
struct Names {
    topics: HashMap<TopicId, String>,
    subscriptions: HashMap<SubscriptionId, String>,
}

impl Names {
    fn of(catalog: &Catalog) -> Self {
        let snapshot = catalog.snapshot();
        let past = catalog.past_subscriptions(DEFAULT_TENANT).expect("it can be read");
        let past = past.into_iter().map(|past| (past.subscription.id, past.subscription.spec.name));
        let there = snapshot.subscriptions().map(|there| (there.id, there.spec.name.clone()));
        let topics = snapshot.all_topics();
        Self {
            topics: topics.map(|topic| (topic.id, topic.name.path().to_owned())).collect(),
            subscriptions: past.chain(there).collect(),
        }
    }

    /// `None` for a topic that is gone.
    fn read(&self, settlement: &Settlement) -> Option<Settled> {
        let subscription = self.subscriptions.get(&SubscriptionId(settlement.subscription_id));
        let range = Range {
            subscription: subscription.expect("the subscription is known").as_str().into(),
            topic: self.topics.get(&TopicId(settlement.topic_id))?.as_str().into(),
            partition: settlement.partition,
            first: settlement.first,
            last: settlement.last,
        };
        let outcome = settlement.outcome().as_str_name().into();
        Some(Settled { range, count: settlement.count, outcome })
    }
}
