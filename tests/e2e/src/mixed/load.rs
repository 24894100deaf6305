//! Those who publish, until the service is gone.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{Backoff, Client, ClientError, Publisher, PublisherOptions};
use tokio::sync::watch;

use super::KINDS;
use crate::{Chronicle, TestEvent, heavy_indicator, soon};

const KEYS: u64 = 20;

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    /// Its name in the history, and its id where it is sequenced.
    pub name: &'static str,
    /// Whether the service keeps its order and recognises its repeats by sequence.
    pub sequenced: bool,
    /// Where it publishes; `None`: where the templates say.
    pub topic: Option<&'static str>,
    /// Of its events, so that no two producers make the same.
    pub timeframe: &'static str,
    /// Labels of 400 bytes on every event, at most 16.
    pub labels: u8,
    /// Events that wait for their outcome at a time.
    pub under_way: usize,
}

/// What one producer publishes in all lives of a service.
pub struct Load {
    producer: Producer,
    chronicle: Chronicle,
    next: u64,
    acknowledged: watch::Sender<u64>,
}

impl Load {
    /// Nothing so far.
    #[must_use]
    pub fn new(producer: Producer, chronicle: Chronicle) -> Self {
        Self { producer, chronicle, next: 0, acknowledged: watch::Sender::new(0) }
    }

    /// How many events were acknowledged so far, to wait for.
    #[must_use]
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// The next event, written down with what the filters should say of it.
    fn next(&mut self) -> Vec<u8> {
        let Producer { name, sequenced, timeframe, labels, topic, .. } = self.producer;
        let key = format!("KEY{}", self.next % KEYS);
        let event = heavy_indicator(&key, timeframe, self.next, labels);
        self.next += 1;
        let derived = format!("analysis/indicators/{timeframe}");
        self.chronicle.invoke_to(topic.unwrap_or(&derived), name, &event, sequenced);
        let instrument = TestEvent::read(&event).instrument;
        let filtered = KINDS.iter().filter(|kind| !kind.keys.is_empty());
        let said = filtered.map(|kind| (kind.name, kind.keys.contains(&instrument.as_str())));
        self.chronicle.verdict(&event, said);
        event
    }

    async fn publisher(&self, url: &str) -> Result<Publisher, ClientError> {
        let producer_id = self.producer.sequenced.then(|| self.producer.name.to_owned());
        let backoff =
            Backoff { give_up_after: Some(std::time::Duration::ZERO), ..Backoff::default() };
        let (topic, max_block_bytes) = (self.producer.topic.map(str::to_owned), 4 << 10);
        let options = PublisherOptions {
            producer_id,
            topic,
            backoff,
            max_block_bytes,
            ..PublisherOptions::default()
        };
        Client::connect(url).await?.publisher(options).await
    }

    /// Publishes until the service is gone, with events under way; tells how many were.
    pub async fn publish(&mut self, url: &str) -> usize {
        let Ok(publisher) = soon("a publisher", self.publisher(url)).await else { return 0 };
        let (mut receipts, mut is_there, mut cut_off) = (FuturesUnordered::new(), true, 0);
        loop {
            while is_there && receipts.len() < self.producer.under_way {
                let event = self.next();
                match soon("room", publisher.send(&event)).await {
                    Ok(receipt) => receipts.push(async move { (event, receipt.await) }),
                    Err(_) => is_there = false,
                }
            }
            let Some((event, outcome)) = soon("an outcome", receipts.next()).await else {
                return cut_off;
            };
            self.chronicle.outcome(&event, &outcome);
            if outcome.is_ok() {
                self.acknowledged.send_modify(|count| *count += 1);
            } else {
                (is_there, cut_off) = (false, cut_off + 1);
            }
        }
    }
}
