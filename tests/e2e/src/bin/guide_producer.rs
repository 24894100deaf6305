//! The producer of docs/guide/rust.md.

use std::error::Error;

use tidings_client::{Client, PublisherOptions};
use tidings_event::json::json_to_canonical;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::var("TIDINGS_SERVER")?;
    let client = Client::connect(&server).await?;
    let publisher = client.publisher(PublisherOptions::sequenced("rsi-service-1")).await?;
    let mut receipts = Vec::new();
    for (bar, rsi) in [32.7, 41.2, 48.9].into_iter().enumerate() {
        let (start, end) = (bar * 5, bar * 5 + 5);
        let event = format!(
            r#"{{"id":"AAPL-5m-{bar}","source":"rsi-service","kind":"INDICATORS",
                "instrument":"AAPL","venue":"XNAS","timeframe":"5m",
                "interval_start":"2026-01-02T15:{start:02}:00Z",
                "interval_end":"2026-01-02T15:{end:02}:00Z",
                "produced_at":"2026-01-02T15:{end:02}:01Z",
                "indicators":{{"values":{{"rsi_14":{rsi}}}}}}}"#
        );
        receipts.push(publisher.send(json_to_canonical(event.as_bytes())?).await?);
    }
    for receipt in receipts {
        // Resolves when the event is on disk.
        let placed = receipt.await?;
        println!("{}, partition {}, offset {:?}", placed.topic, placed.partition, placed.offset);
    }
    publisher.close().await?;
    Ok(())
}
