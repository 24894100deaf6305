//! Publishes many events through a sequenced publisher: batched, pipelined, in order per
//! instrument, repeated after a lost connection and never stored twice.
//!
//! `cargo run -p tidings-examples --bin publish_sequenced -- http://127.0.0.1:8080`

use std::error::Error;

use tidings_client::{Client, PublisherOptions};
use tidings_examples::{indicator, url};

const BARS: u32 = 100;
const INSTRUMENTS: [&str; 5] = ["AAPL", "AMZN", "GOOG", "MSFT", "NVDA"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(&url()).await?;
    let publisher = client.publisher(PublisherOptions::sequenced("example-sequenced")).await?;
    let mut receipts = Vec::new();
    for bar in 0..BARS {
        for instrument in INSTRUMENTS {
            let event = indicator("example-sequenced", instrument, bar, 50.0);
            // Waits only when too much is unanswered.
            receipts.push(publisher.send_event(&event).await?);
        }
    }
    let mut stored = 0;
    for receipt in receipts {
        // Resolves when the event is on disk.
        receipt.await?;
        stored += 1;
    }
    let epoch = publisher.producer_epoch().unwrap_or_default();
    publisher.close().await?;
    println!("{stored} events are stored, as epoch {epoch} of this producer");
    Ok(())
}
