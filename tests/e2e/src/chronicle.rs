//! What the clients of a test saw, written down for the checker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_checker::history::{
    Dead, Delivery, Invoke, Limits, Mark, Placed, Range, Settled, Subscription, Verdict,
};
use tidings_checker::{History, HistoryWriter, Op, Thresholds, judge};
use tidings_client::{ClientError, Delivered, Run};
use tidings_event::block::crc32c;
use tidings_event::{SystemClock, scan};

/// One history, shared by all clients of a run. Cheap to clone.
#[derive(Clone)]
pub struct Chronicle {
    writer: HistoryWriter,
    path: PathBuf,
}

impl Chronicle {
    /// A history in a file of this directory.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let path = dir.join("history.ndjson");
        let writer = HistoryWriter::open(&path, "test", Arc::new(SystemClock::new()));
        Self { writer: writer.expect("the history can be written"), path }
    }

    fn record(&self, ops: impl IntoIterator<Item = Op>) {
        self.writer.record(ops).expect("the history can be written");
    }

    /// A subscription to everything that ever was or will be in these topics.
    pub fn subscription(&self, name: &str, topics: &[&str]) {
        self.subscribed(name, topics, true);
    }

    /// As [`Self::subscription`], to a client that gives events back when later ones of their keys
    /// are on their way already, so that it cannot tell what was held back.
    pub fn giving_back(&self, name: &str, topics: &[&str]) {
        self.subscribed(name, topics, false);
    }

    fn subscribed(&self, name: &str, topics: &[&str], ordered: bool) {
        self.record([Op::Subscription(Subscription {
            subscription: name.to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            start: Vec::new(),
            ordered,
        })]);
    }

    /// `sent` is about to be sent in place of the valid event of which it is a form.
    ///
    /// # Panics
    /// When `event` is not valid.
    pub fn invoke_as(&self, producer: &str, event: &[u8], sent: &[u8]) {
        let envelope = scan(event).expect("a test event is valid");
        self.record([Op::Invoke(Invoke {
            event: hex(&envelope.id),
            producer: producer.to_owned(),
            key: envelope.instrument.to_owned(),
            seq: envelope.key_seq.expect("test events are numbered"),
            hash: hash(sent),
            topic: format!("analysis/indicators/{}", envelope.timeframe),
            ordered: true,
        })]);
    }

    /// An event is about to be sent.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn invoke(&self, producer: &str, event: &[u8]) {
        self.invoke_as(producer, event, event);
    }

    /// What became of it.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn outcome(&self, event: &[u8], outcome: &Result<tidings_client::Placed, ClientError>) {
        let event = hex(&scan(event).expect("a test event is valid").id);
        self.record([match outcome {
            Ok(placed) => Op::Ok(Placed {
                event,
                topic: placed.topic.to_string(),
                partition: placed.partition,
                offset: placed.offset,
                duplicate: placed.duplicate,
            }),
            Err(ClientError::Refused(problem)) if !problem.is_retryable() => {
                Op::Fail { event, code: problem.code.clone() }
            }
            Err(error) => Op::Info { event, code: error.to_string() },
        }]);
    }

    /// A consumer was given events.
    ///
    /// # Panics
    /// When they are not whole.
    pub fn delivered(&self, subscription: &str, consumer: &str, delivered: &Delivered) {
        let ops: Vec<Op> = delivered
            .events()
            .map(|event| {
                let event = event.expect("a delivery is whole");
                let envelope = scan(event.event).expect("a delivered event is valid");
                Op::Delivery(Delivery {
                    subscription: subscription.to_owned(),
                    consumer: consumer.to_owned(),
                    topic: delivered.topic.to_string(),
                    partition: delivered.partition.0,
                    offset: event.offset.0,
                    event: hex(&envelope.id),
                    hash: hash(event.event),
                    key: envelope.instrument.to_owned(),
                    attempt: event.attempt,
                    redelivered: event.redelivered,
                })
            })
            .collect();
        self.record(ops);
    }

    /// Acks of these were confirmed.
    pub fn confirmed(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Ack(range(subscription, topic, run))]);
    }

    /// These were given back.
    pub fn nacked(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Nack(range(subscription, topic, run))]);
    }

    /// Whether a subscription's filter selects an event, as somebody else than the service says.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn verdict(&self, subscription: &str, event: &[u8], matched: bool) {
        let event = hex(&scan(event).expect("a test event is valid").id);
        self.record([Op::Verdict(Verdict {
            subscription: subscription.to_owned(),
            event,
            matched,
        })]);
    }

    /// An event lies among the dead letters.
    pub fn dead(&self, subscription: &str, topic: &str, partition: u32, offset: u64) {
        let (subscription, topic) = (subscription.to_owned(), topic.to_owned());
        self.record([Op::Dead(Dead { subscription, topic, partition, offset })]);
    }

    /// The service wrote these down.
    pub fn settled(&self, settled: impl IntoIterator<Item = Settled>) {
        self.record(settled.into_iter().map(Op::Settled));
    }

    /// These will not come.
    pub fn gap(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Gap(range(subscription, topic, run))]);
    }

    /// Something happened: to one subscription, or to all.
    pub fn mark(&self, what: &str, subscription: Option<&str>) {
        let subscription = subscription.map(ToOwned::to_owned);
        self.record([Op::Mark(Mark { what: what.to_owned(), subscription })]);
    }

    /// Has the checker judge everything so far.
    ///
    /// # Panics
    /// When its verdict is not that the promise was kept, quoting the smallest slice that shows it.
    pub fn judge(&self, thresholds: &Thresholds) {
        self.writer.flush().expect("the history can be written");
        let history = History::read(&[&self.path], Limits::default());
        let history = history.expect("the history can be read");
        let report = judge(&history, thresholds);
        assert_eq!(report.exit_code(), 0, "{}", report.show(&history.records));
    }
}

fn range(subscription: &str, topic: &str, run: &Run) -> Range {
    Range {
        subscription: subscription.to_owned(),
        topic: topic.to_owned(),
        partition: run.partition.0,
        first: run.first.0,
        last: run.last.0,
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&crc32c(bytes).to_be_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
