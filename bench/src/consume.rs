//! A consumer that takes everything and checks it: dense offsets, nothing twice.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered, Transport};
use tidings_wire::rest::SubscriptionRequest;

use crate::BenchError;

/// Subscriptions that are made side by side: each waits for the disk.
const TOGETHER: usize = 64;

/// Creates a subscription to topics, from the beginning.
pub(crate) async fn subscribe(
    client: &Client,
    name: &str,
    topics: &[&str],
) -> Result<(), BenchError> {
    subscribe_from(client, name, topics, "earliest").await
}

/// Makes a durable subscription that starts there.
pub(crate) async fn subscribe_from(
    client: &Client,
    name: &str,
    topics: &[&str],
    start: &str,
) -> Result<(), BenchError> {
    let request = serde_json::json!({
        "name": name, "topics": topics, "start": start, "delivery": {"stream": {}},
    });
    let request: SubscriptionRequest =
        serde_json::from_value(request).map_err(|e| BenchError::Check(e.to_string()))?;
    client.rest().create_subscription(&request).await?;
    Ok(())
}

/// Makes so many subscriptions to everything that is published, each with a consumer over a connection of
/// its own, as services have that know nothing of each other.
pub(crate) async fn attach_each(
    transport: Transport,
    client: &Client,
    url: &str,
    subscriptions: u32,
) -> Result<Vec<Consumer>, BenchError> {
    let name = |number| format!("bench-{number}");
    let made = (0..subscriptions)
        .map(async |number| subscribe(client, &name(number), &["analysis/**"]).await);
    stream::iter(made).buffer_unordered(TOGETHER).try_collect::<()>().await?;
    let mut consumers = Vec::new();
    for number in 0..subscriptions {
        let own = Client::connect(url).await?;
        let options = ConsumerOptions::new(name(number), "bench");
        consumers.push(own.consumer(ConsumerOptions { transport, ..options }).await?);
    }
    Ok(consumers)
}

/// Takes `events` events, calls `seen` on each delivery, acknowledges as it goes.
pub(crate) async fn take(
    client: Client,
    subscription: String,
    events: u64,
    seen: impl FnMut(&Delivered) -> Result<(), BenchError> + Send,
) -> Result<(), BenchError> {
    take_over(Transport::Grpc, client, subscription, events, seen).await
}

/// As [`take`], over this transport.
pub(crate) async fn take_over(
    transport: Transport,
    client: Client,
    subscription: String,
    events: u64,
    seen: impl FnMut(&Delivered) -> Result<(), BenchError> + Send,
) -> Result<(), BenchError> {
    let options = ConsumerOptions::new(subscription, "bench");
    let consumer = client.consumer(ConsumerOptions { transport, ..options }).await?;
    take_with(consumer, events, seen).await
}

/// As [`take`], with a consumer that is attached.
pub(crate) async fn take_with(
    mut consumer: Consumer,
    events: u64,
    mut seen: impl FnMut(&Delivered) -> Result<(), BenchError> + Send,
) -> Result<(), BenchError> {
    Taken::default().take(&mut consumer, events, &mut seen).await
}

/// Takes the first that comes, then nothing until it may go on, then the rest. Says how many events it
/// had taken when it stood still.
pub(crate) async fn take_late(
    client: Client,
    subscription: String,
    events: u64,
    may_go_on: impl Future,
) -> Result<u64, BenchError> {
    let options = ConsumerOptions::new(subscription, "bench");
    let mut consumer = client.consumer(options).await?;
    let mut taken = Taken::default();
    while taken.count == 0 {
        taken.next(&mut consumer, &mut |_| Ok(())).await?;
    }
    let first = taken.count;
    may_go_on.await;
    taken.take(&mut consumer, events, &mut |_| Ok(())).await?;
    Ok(first)
}

/// What came so far.
#[derive(Default)]
struct Taken {
    /// The next offset of each partition of a topic.
    next: BTreeMap<(u64, u32), u64>,
    count: u64,
}

impl Taken {
    async fn take(
        &mut self,
        consumer: &mut Consumer,
        events: u64,
        seen: &mut (impl FnMut(&Delivered) -> Result<(), BenchError> + Send),
    ) -> Result<(), BenchError> {
        while self.count < events {
            self.next(consumer, seen).await?;
        }
        if self.count > events {
            return Err(BenchError::Check(format!("{} events came of {events}", self.count)));
        }
        Ok(())
    }

    async fn next(
        &mut self,
        consumer: &mut Consumer,
        seen: &mut (impl FnMut(&Delivered) -> Result<(), BenchError> + Send),
    ) -> Result<(), BenchError> {
        let Some(event) = consumer.next().await else {
            return Err(BenchError::Check(format!("the stream ended after {} events", self.count)));
        };
        let ConsumerEvent::Events(delivered) = event? else { return Ok(()) };
        let place = self.next.entry((delivered.topic_id.0, delivered.partition.0)).or_default();
        for run in delivered.runs() {
            if run.first.0 != *place {
                let detail = format!("expected offset {place} of {run:?}");
                return Err(BenchError::Check(detail));
            }
            *place = run.last.0 + 1;
        }
        self.count += u64::from(delivered.count);
        seen(&delivered)?;
        consumer.ack_up_to(delivered.last_position()).await?;
        Ok(())
    }
}
