//! Those who publish, until the service is gone or refuses.

use std::collections::BTreeSet;

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

/// Writes down which kinds of subscription select an event.
pub fn foretell(chronicle: &Chronicle, event: &[u8]) {
    let instrument = TestEvent::read(event).instrument;
    let filtered = KINDS.iter().filter(|kind| !kind.keys.is_empty());
    let said = filtered.map(|kind| (kind.name, kind.keys.contains(&instrument.as_str())));
    chronicle.verdict(event, said);
}

/// What one producer publishes in all lives of a service.
pub struct Load {
    producer: Producer,
    chronicle: Chronicle,
    next: u64,
    acknowledged: watch::Sender<u64>,
    refusals: watch::Sender<BTreeSet<String>>,
}

impl Load {
    /// Nothing so far.
    #[must_use]
    pub fn new(producer: Producer, chronicle: Chronicle) -> Self {
        let (acknowledged, refusals) = (watch::Sender::new(0), watch::Sender::default());
        Self { producer, chronicle, next: 0, acknowledged, refusals }
    }

    /// How many events were acknowledged so far, to wait for.
    #[must_use]
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// Codes of all refusals so far.
    #[must_use]
    pub fn refusals(&self) -> watch::Receiver<BTreeSet<String>> {
        self.refusals.subscribe()
    }

    fn is_told<T>(&self, answer: Result<T, ClientError>) -> Option<T> {
        let problem = answer.as_ref().err().and_then(ClientError::problem);
        if let Some(code) = problem.map(|problem| problem.code.clone()) {
            self.refusals.send_if_modified(|codes| codes.insert(code));
        }
        answer.ok()
    }

    /// The next event, written down with what the filters should say of it.
    fn next(&mut self) -> Vec<u8> {
        let Producer { name, sequenced, timeframe, labels, topic, .. } = self.producer;
        let key = format!("KEY{}", self.next % KEYS);
        let event = heavy_indicator(&key, timeframe, self.next, labels);
        self.next += 1;
        let derived = format!("analysis/indicators/{timeframe}");
        self.chronicle.invoke_to(topic.unwrap_or(&derived), name, &event, sequenced);
        foretell(&self.chronicle, &event);
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

    /// Publishes until the service is gone or refuses, with events under way; tells how many were.
    pub async fn publish(&mut self, url: &str) -> usize {
        let opened = soon("a publisher", self.publisher(url)).await;
        let Some(publisher) = self.is_told(opened) else { return 0 };
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
            if self.is_told(outcome).is_some() {
                self.acknowledged.send_modify(|count| *count += 1);
            } else {
                (is_there, cut_off) = (false, cut_off + 1);
            }
        }
    }
}
