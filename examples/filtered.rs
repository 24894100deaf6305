//! Consumes only what a filter takes: the service looks at every event, the consumer at few.
//!
//! `cargo run -p tidings-examples --bin filtered -- http://127.0.0.1:8080 2` ends after 2 events.

use std::error::Error;

use tidings_client::documents::{
    DeliveryDocument, StartDocument, StreamOptions, SubscriptionRequest,
};
use tidings_client::{Client, ConsumerEvent, ConsumerOptions};
use tidings_examples::url;

/// Overbought or oversold. A mistake in it is refused with its place and a hint.
const FILTER: &str = "kind == \"INDICATORS\" && (values.rsi_14 < 40 || values.rsi_14 > 60)";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(2).map_or(Ok(u64::MAX), |text| text.parse())?;
    let client = Client::connect(&url()).await?;
    let stream = DeliveryDocument { stream: Some(StreamOptions {}), ..<_>::default() };
    let subscription = SubscriptionRequest {
        name: "example-filtered".to_owned(),
        topics: vec!["analysis/**".to_owned()],
        filter: Some(FILTER.to_owned()),
        delivery: Some(stream),
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&subscription).await?;
    let options = ConsumerOptions::new("example-filtered", "consumer-1");
    let mut consumer = client.consumer(options).await?;
    let mut confirmed = 0;
    while confirmed < wanted {
        let Some(next) = consumer.next().await else { break };
        match next? {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    println!("{}", tidings_event::json::to_json(event?.event)?);
                }
                // What the filter left out needs no ack.
                consumer.ack(&delivered.runs()).await?;
            }
            ConsumerEvent::Confirmed(acks) => {
                confirmed += acks.runs.iter().map(|run| run.last.0 - run.first.0 + 1).sum::<u64>();
            }
            other => println!("{other:?}"),
        }
    }
    consumer.close().await;
    println!("{confirmed} events passed {FILTER}");
    Ok(())
}
