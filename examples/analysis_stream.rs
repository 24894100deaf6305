//! Watches one instrument from now on, under the platform's names: no subscription is left behind.
//!
//! `cargo run -p tidings-examples --bin analysis_stream -- http://127.0.0.1:8080 AAPL 3` ends after
//! 3 events.

use std::error::Error;

use tidings_client::{AnalysisItem, AnalysisOptions, Client};
use tidings_event::v1::Kind;
use tidings_examples::url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instrument = std::env::args().nth(2).unwrap_or_else(|| "AAPL".to_owned());
    let wanted = std::env::args().nth(3).map_or(Ok(usize::MAX), |text| text.parse())?;
    let client = Client::connect(&url()).await?;
    let options = AnalysisOptions {
        symbols: vec![instrument.clone()],
        kinds: vec![Kind::Indicators],
        timeframes: vec!["5m".to_owned()],
        ..AnalysisOptions::default()
    };
    let mut analysis = client.analysis(options).await?;
    println!("watching {instrument}");
    let mut seen = 0;
    while seen < wanted {
        match analysis.next().await? {
            Some(AnalysisItem::Event(event)) => {
                let text = tidings_event::json::to_json(&event.event)?;
                println!("{} {} {text}", event.topic, event.position);
                seen += 1;
            }
            Some(AnalysisItem::Gap(gap)) => {
                println!("{} events are gone: {}", gap.count, gap.reason);
            }
            None => break,
        }
    }
    Ok(())
}
