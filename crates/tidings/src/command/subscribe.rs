//! `tidings subscribe`: prints the events of a subscription and acknowledges them.

use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered};
use tidings_event::json as event_json;
use tidings_telemetry::Timer;

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
    while left > 0 {
        let next = tokio::select! {
            next = consumer.next() => next,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match next {
            None => return Ok(()),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(ConsumerEvent::Events(delivered))) => {
                left -= print(&consumer, &delivered, left).await?;
            }
            Some(Ok(ConsumerEvent::Gap(gap))) => output::json(&json!({"gap": {
                "topic": &*gap.topic,
                "partition": gap.run.partition.0,
                "from": gap.run.first.0,
                "to": gap.run.last.0,
                "count": gap.count,
                "reason": gap.reason,
            }}))?,
            Some(Ok(
                ConsumerEvent::Confirmed(_)
                | ConsumerEvent::Extended(_)
                | ConsumerEvent::Reconnected,
            )) => {}
        }
    }
    let confirmed = Timer.limit(LAST_ACKS, confirm(&mut consumer)).await;
    confirmed
        .unwrap_or_else(|_| Err(Failure::Failed("the last acks were not confirmed".to_owned())))
}

/// Prints up to `limit` events and acknowledges those; says how many.
async fn print(consumer: &Consumer, delivered: &Delivered, limit: u64) -> Result<u64, Failure> {
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
    consumer.ack_up_to(position).await?;
    Ok(printed)
}

async fn confirm(consumer: &mut Consumer) -> Result<(), Failure> {
    while let Some(next) = consumer.next().await {
        if matches!(next?, ConsumerEvent::Confirmed(_)) {
            return Ok(());
        }
    }
    Ok(())
}
