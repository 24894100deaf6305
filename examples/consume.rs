//! Creates a subscription and consumes it as a stream: deliveries, acks, confirmations, gaps.
//!
//! `cargo run -p tidings-examples --bin consume -- http://127.0.0.1:8080 3` ends after 3 events.

use std::error::Error;

use tidings_client::documents::{
    DeliveryDocument, StartDocument, StreamOptions, SubscriptionRequest,
};
use tidings_client::{Client, ConsumerEvent, ConsumerOptions};
use tidings_examples::url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(2).map_or(Ok(u64::MAX), |text| text.parse())?;
    let client = Client::connect(&url()).await?;
    let stream = DeliveryDocument { stream: Some(StreamOptions {}), ..<_>::default() };
    let subscription = SubscriptionRequest {
        name: "example-consume".to_owned(),
        topics: vec!["analysis/indicators/*".to_owned()],
        delivery: Some(stream),
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    // The same again is fine.
    client.rest().create_subscription(&subscription).await?;
    let options = ConsumerOptions::new("example-consume", "consumer-1");
    let mut consumer = client.consumer(options).await?;
    let (mut seen, mut confirmed) = (0, 0);
    while confirmed < wanted {
        let Some(next) = consumer.next().await else { break };
        match next? {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    let event = event?;
                    println!("{} {} {}", delivered.topic, event.offset, show(event.event)?);
                    seen += 1;
                }
                // Once everything is done with them: after a crash they would come again.
                consumer.ack_up_to(delivered.last_position()).await?;
            }
            ConsumerEvent::Confirmed(acks) => {
                confirmed += acks.runs.iter().map(|run| run.last.0 - run.first.0 + 1).sum::<u64>();
            }
            ConsumerEvent::Gap(gap) => println!("{} events are gone: {}", gap.count, gap.reason),
            ConsumerEvent::Reconnected => println!("connected again"),
            ConsumerEvent::Extended(_) => {}
        }
    }
    consumer.close().await;
    println!("{seen} events seen, {confirmed} confirmed");
    Ok(())
}

fn show(event: &[u8]) -> Result<String, Box<dyn Error>> {
    Ok(tidings_event::json::to_json(event)?)
}
