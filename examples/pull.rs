//! Pulls events in batches over plain HTTP: for jobs that come by now and then.
//!
//! `cargo run -p tidings-examples --bin pull -- http://127.0.0.1:8080`

use std::error::Error;

use tidings_client::Client;
use tidings_client::documents::{
    AckRequestDocument, PullItem, PullRequestDocument, StartDocument, SubscriptionRequest,
};
use tidings_examples::url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(&url()).await?;
    let subscription = SubscriptionRequest {
        name: "example-pull".to_owned(),
        topics: vec!["analysis/**".to_owned()],
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&subscription).await?;
    let request = PullRequestDocument {
        max: Some(100),
        wait_ms: Some(1_000),
        consumer: Some("puller-1".to_owned()),
        ..PullRequestDocument::default()
    };
    let mut pulled = 0;
    loop {
        let batch = client.rest().pull("example-pull", &request).await?;
        let mut ack_ids = Vec::new();
        for item in batch.deliveries {
            match item {
                PullItem::Event(event) => {
                    println!("{} {} {}", event.topic, event.offset, event.event);
                    ack_ids.push(event.ack_id);
                }
                PullItem::Gap { gap } => println!("{} events are gone: {}", gap.count, gap.reason),
            }
        }
        if ack_ids.is_empty() {
            break;
        }
        pulled += ack_ids.len();
        let ack = AckRequestDocument { ack_ids, ..AckRequestDocument::default() };
        // Answers when it is durable.
        client.rest().ack("example-pull", &ack).await?;
    }
    println!("{pulled} events pulled");
    Ok(())
}
