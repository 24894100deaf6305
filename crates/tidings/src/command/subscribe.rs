//! `tidings subscribe`: prints the events of a subscription and acknowledges them.

mod pending_acks;

use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered};
use tidings_event::{Position, json as event_json};
use tidings_telemetry::Timer;

use self::pending_acks::PendingAcks;
use super::subscription::create;
use crate::cli::{SubscribeArgs, SubscriptionCreateArgs, TermsArgs};
use crate::failure::Failure;
use crate::output;

/// How long the last acks may take to become durable.
const LAST_ACKS: Duration = Duration::from_secs(5);

pub(super) async fn run(args: SubscribeArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.server.server).await?;
    if args.create {
        let definition = SubscriptionCreateArgs {
            name: args.name.clone(),
            topics: args.topics,
            start: args.start,
            pull: false,
            sharing: None,
            terms: TermsArgs::default(),
            server: args.server,
        };
        create(&client, definition).await?;
    }
    let mut consumer = client.consumer(ConsumerOptions::new(args.name, args.consumer)).await?;
    let mut left = args.max.unwrap_or(u64::MAX);
    let mut pending = PendingAcks::default();
    while left > 0 {
        let next = tokio::select! {
            next = consumer.next() => next,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match next {
            None => return Ok(()),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(ConsumerEvent::Events(delivered))) => {
                let (printed, position) = print(&delivered, left)?;
                consumer.ack_up_to(position).await?;
                pending.sent(position);
                left -= printed;
            }
            Some(Ok(ConsumerEvent::Gap(gap))) => output::json(&json!({"gap": {
                "topic": &*gap.topic,
                "partition": gap.run.partition.0,
                "from": gap.run.first.0,
                "to": gap.run.last.0,
                "count": gap.count,
                "reason": gap.reason,
            }}))?,
            Some(Ok(ConsumerEvent::Confirmed(acks))) => pending.answered(&acks),
            Some(Ok(ConsumerEvent::Reconnected)) => pending.forget(),
            Some(Ok(ConsumerEvent::Extended(_))) => {}
        }
    }
    let confirmed = Timer.limit(LAST_ACKS, confirm(&mut consumer, pending)).await;
    confirmed.unwrap_or_else(|_| Err(unconfirmed("the service did not answer in time")))
}

/// Prints up to `limit` events; says how many, and the position of the last.
fn print(delivered: &Delivered, limit: u64) -> Result<(u64, Position), Failure> {
    let mut printed = 0;
    let mut position = delivered.last_position();
    for event in delivered.events().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        let event = event?;
        let text = event_json::to_json(event.event).map_err(Failure::failed)?;
        output::json(&json!({
            "topic": &*delivered.topic,
            "partition": delivered.partition.0,
            "offset": event.offset.0,
            "attempt": event.attempt,
            "redelivered": event.redelivered,
            "ingested_at": delivered.ingested_at.to_string(),
            "event": RawValue::from_string(text)?,
        }))?;
        position.offset = event.offset;
        printed += 1;
    }
    Ok((printed, position))
}

/// Waits until every ack that was sent is answered: one that is not was perhaps not even read.
async fn confirm(consumer: &mut Consumer, mut pending: PendingAcks) -> Result<(), Failure> {
    while !pending.is_empty() {
        match consumer.next().await {
            Some(Ok(ConsumerEvent::Confirmed(acks))) => pending.answered(&acks),
            Some(Ok(ConsumerEvent::Reconnected)) => {
                return Err(unconfirmed("the connection broke before"));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(unconfirmed("the consumer ended before")),
        }
    }
    Ok(())
}

fn unconfirmed(why: &str) -> Failure {
    let told = "the last acks were not confirmed, their events may come again";
    Failure::Failed(format!("{told}: {why}"))
}
