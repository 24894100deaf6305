//! A consumer that asks for events over HTTP.

use std::collections::HashMap;

use tidings_client::documents::{AckRequestDocument, PullRequestDocument};
use tidings_client::{Client, ClientError, Rest, Run};
use tidings_event::{Epoch, Offset, PartitionId, TopicId};

use crate::{Chronicle, soon};

const MEMBER: &str = "puller";

/// Pulls and acknowledges once, and writes down what it saw.
pub(super) async fn pull_once(
    rest: &Rest,
    chronicle: &Chronicle,
    subscription: &str,
) -> Result<(), ClientError> {
    let ask = PullRequestDocument {
        max: Some(200),
        wait_ms: Some(100),
        consumer: Some(MEMBER.to_owned()),
        ..PullRequestDocument::default()
    };
    let batch = soon("a pull", rest.pull_batch(subscription, &ask)).await?;
    for gap in batch.gaps {
        let Some(told) = gap.gap else { continue };
        let (partition, first, last) = (told.partition, told.from, told.to);
        chronicle.gap(subscription, &gap.topic, &run(partition, first, last));
    }
    let mut places = HashMap::new();
    for (pulled, event) in &batch.events {
        chronicle.pulled(subscription, MEMBER, pulled, event);
        if let Some(position) = &pulled.position {
            let run = run(position.partition, position.offset, position.offset);
            places.insert(pulled.ack_id.clone(), (&pulled.topic, run));
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let ack = AckRequestDocument {
        ack_ids: places.keys().cloned().collect(),
        ..AckRequestDocument::default()
    };
    let answer = soon("an answer to an ack", rest.ack(subscription, &ack)).await?;
    for result in answer.results.iter().filter(|result| result.state == "confirmed") {
        if let Some((topic, run)) = places.get(&result.ack_id) {
            chronicle.confirmed(subscription, topic, run);
        }
    }
    Ok(())
}

/// A run as the history takes it, which knows topics by name.
fn run(partition: u32, first: u64, last: u64) -> Run {
    Run {
        topic: TopicId(0),
        epoch: Epoch(0),
        partition: PartitionId(partition),
        first: Offset(first),
        last: Offset(last),
    }
}

/// Pulls until the service is gone.
pub(super) async fn pull(url: String, chronicle: Chronicle, subscription: &'static str) {
    let Ok(client) = Client::connect(&url).await else { return };
    while pull_once(client.rest(), &chronicle, subscription).await.is_ok() {}
}
