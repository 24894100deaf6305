//! Publishes one batch and shows where each event is stored.
//!
//! `cargo run -p tidings-examples --bin publish -- http://127.0.0.1:8080`

use std::error::Error;

use tidings_client::Client;
use tidings_client::v1::PublishRequest;
use tidings_examples::{indicator, url};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(&url()).await?;
    let events = [("AAPL", 32.7), ("MSFT", 58.1), ("NVDA", 71.4)]
        .map(|(instrument, rsi)| indicator("example-publish", instrument, 0, rsi))
        .map(|event| tidings_event::encode(&event).into());
    let request = PublishRequest { events: events.to_vec(), ..PublishRequest::default() };
    for result in client.publish(request).await? {
        match result.error {
            None => println!(
                "event {} is offset {} of {}/{}",
                result.index,
                result.offset.unwrap_or_default(),
                result.topic,
                result.partition
            ),
            Some(problem) => println!("event {} was refused: {}", result.index, problem.detail),
        }
    }
    Ok(())
}
