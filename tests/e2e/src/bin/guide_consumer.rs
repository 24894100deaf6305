//! The consumer of docs/guide/rust.md.

use std::error::Error;

use tidings_client::{Client, ConsumerEvent, ConsumerOptions};
use tidings_event::json::to_json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::var("TIDINGS_SERVER")?;
    let client = Client::connect(&server).await?;
    let mut consumer = client.consumer(ConsumerOptions::new("desk", "guide")).await?;
    let mut settled = 0;
    while let Some(next) = consumer.next().await {
        match next? {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    let event = event?;
                    println!("{} {}: {}", delivered.topic, event.offset, to_json(event.event)?);
                }
                consumer.ack_up_to(delivered.last_position()).await?;
            }
            ConsumerEvent::Confirmed(acks) => {
                settled += acks.runs.iter().map(|run| run.last.0 - run.first.0 + 1).sum::<u64>();
                if settled == 3 {
                    break;
                }
            }
            ConsumerEvent::Gap(gap) => println!("{} events are gone: {}", gap.count, gap.reason),
            ConsumerEvent::Reconnected => println!("connected again"),
            ConsumerEvent::Extended(_) => {}
        }
    }
    println!("{settled} settled for good");
    consumer.close().await;
    Ok(())
}
