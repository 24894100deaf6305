//! The consumer that pulls over REST.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use tidings_client::documents::{
    AckRequestDocument, PullItem, PullRequestDocument, PulledDocument,
};
use tidings_client::{Client, ClientError};
use tidings_event::Timestamp;
use tidings_event::key::KeyHash;

use super::{Seat, Seen};
use crate::demo::DemoError;
use crate::demo::plan::ConsumerPlan;

/// Most events of one pull, and how long it waits for the first.
const MAX: u32 = 1_000;
const WAIT_MS: u64 = 200;

/// What is read of an event's JSON.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    instrument: String,
    #[serde(default)]
    venue: String,
    produced_at: String,
    key_seq: Option<u64>,
    correlation: Option<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    matrix_id: String,
}

/// Pulls until everything is here.
pub(super) async fn run(
    client: &Client,
    mut seat: Seat,
    plan: &ConsumerPlan,
) -> Result<(), DemoError> {
    let request = PullRequestDocument {
        max: Some(MAX),
        wait_ms: Some(WAIT_MS),
        consumer: Some(plan.title.to_owned()),
        ..PullRequestDocument::default()
    };
    let mut topics: HashMap<String, Arc<str>> = HashMap::new();
    while !seat.finished() {
        let pulled = client.rest().pull(&plan.name, &request).await?;
        let now = seat.board.clock.wall();
        let mut ack_ids = Vec::with_capacity(pulled.deliveries.len());
        for item in pulled.deliveries {
            match item {
                PullItem::Event(event) => {
                    let topic = topics.entry(event.topic.clone());
                    let topic = Arc::clone(topic.or_insert_with(|| event.topic.as_str().into()));
                    let (seen, produced) = read(&event)?;
                    seat.see(&topic, seen, produced);
                    ack_ids.push(event.ack_id);
                }
                PullItem::Gap { gap } => {
                    seat.order.gap(&gap.topic.as_str().into(), gap.partition, gap.to);
                }
            }
        }
        seat.tell(now);
        if !ack_ids.is_empty() {
            let request = AckRequestDocument { ack_ids, ..Default::default() };
            client.rest().ack(&plan.name, &request).await?;
        }
    }
    Ok(())
}

fn read(event: &PulledDocument) -> Result<(Seen, Timestamp), ClientError> {
    let bad = |error: &dyn std::fmt::Display| ClientError::Protocol(format!("event: {error}"));
    let envelope: Envelope = serde_json::from_str(event.event.get()).map_err(|e| bad(&e))?;
    let produced =
        envelope.produced_at.parse().map_err(|e: tidings_event::time::TimeError| bad(&e))?;
    let key = match &envelope.correlation {
        Some(matrix) => KeyHash::of_matrix(&matrix.matrix_id),
        None => KeyHash::of_instrument(&envelope.venue, &envelope.instrument),
    };
    let seen = Seen {
        partition: event.partition,
        offset: event.offset,
        key,
        key_seq: envelope.key_seq,
        redelivered: event.redelivered || event.attempt > 1,
    };
    Ok((seen, produced))
}
