//! What the clients of a test saw, written down for the checker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tidings_checker::history::{
    Dead, Delivery, Fault, Invoke, Limits, Mark, Phase, Placed, Range, Settled, Subscription,
    Verdict,
};
use tidings_checker::{History, HistoryWriter, Op, Report, Thresholds, judge};
use tidings_client::{ClientError, Delivered, Run};
use tidings_event::block::crc32c;
use tidings_event::{SystemClock, scan};
use tidings_wire::v1::PulledEvent;

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

    /// As [`Self::subscription`], in which an event that fails holds back nothing.
    pub fn parallel(&self, name: &str, topics: &[&str]) {
        self.subscribed(name, topics, false);
    }

    fn subscribed(&self, name: &str, topics: &[&str], ordered: bool) {
        self.record([Op::Subscription(Subscription {
            subscription: name.into(),
            topics: topics.iter().map(|&topic| topic.into()).collect(),
            start: Vec::new(),
            ordered,
            tenant: None,
        })]);
    }

    /// `sent` is about to be sent in place of the valid event of which it is a form.
    ///
    /// # Panics
    /// When `event` is not valid.
    pub fn invoke_as(&self, producer: &str, event: &[u8], sent: &[u8]) {
        let timeframe = scan(event).expect("a test event is valid").timeframe;
        let topic = format!("analysis/indicators/{timeframe}");
        self.invoked(&topic, producer, (event, sent), true);
    }

    fn invoked(&self, topic: &str, producer: &str, (event, sent): (&[u8], &[u8]), ordered: bool) {
        let envelope = scan(event).expect("a test event is valid");
        self.record([Op::Invoke(Invoke {
            event: hex(&envelope.id).into(),
            producer: producer.into(),
            key: envelope.instrument.into(),
            seq: envelope.key_seq.expect("test events are numbered"),
            hash: hash(sent).into(),
            topic: topic.into(),
            ordered,
            producer_epoch: None,
            tenant: None,
        })]);
    }

    /// An event is about to be sent to a topic, by one who promised order or did not.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn invoke_to(&self, topic: &str, producer: &str, event: &[u8], ordered: bool) {
        self.invoked(topic, producer, (event, event), ordered);
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
        let event = hex(&scan(event).expect("a test event is valid").id).into();
        self.record([match outcome {
            Ok(placed) => Op::Ok(Placed {
                event,
                topic: (*placed.topic).into(),
                partition: placed.partition,
                offset: placed.offset,
                duplicate: placed.duplicate,
                epoch: Some(placed.epoch.into()),
            }),
            Err(ClientError::Refused(problem)) if !problem.is_retryable() => {
                Op::Fail { event, code: problem.code.clone().into() }
            }
            Err(error) => Op::Info { event, code: error.to_string().into() },
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
                    subscription: subscription.into(),
                    consumer: consumer.into(),
                    topic: (*delivered.topic).into(),
                    partition: delivered.partition.0,
                    offset: event.offset.0,
                    event: hex(&envelope.id).into(),
                    hash: hash(event.event).into(),
                    key: envelope.instrument.into(),
                    attempt: event.attempt,
                    redelivered: event.redelivered,
                    tenant: None,
                })
            })
            .collect();
        self.record(ops);
    }

    /// An event was found in the log, read as a subscription of this name would.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn stored(&self, reader: &str, (topic, partition): (&str, u32), offset: u64, event: &[u8]) {
        let envelope = scan(event).expect("a stored event is valid");
        self.record([Op::Delivery(Delivery {
            subscription: reader.into(),
            consumer: reader.into(),
            topic: topic.into(),
            partition,
            offset,
            event: hex(&envelope.id).into(),
            hash: hash(event).into(),
            key: envelope.instrument.into(),
            attempt: 1,
            redelivered: false,
            tenant: None,
        })]);
    }

    /// A reader of the log found it trimmed up to here, or lacking this.
    pub fn stored_gap(&self, reader: &str, (topic, partition): (&str, u32), first: u64, last: u64) {
        let subscription = reader.into();
        let range = Range { subscription, topic: topic.into(), partition, first, last };
        self.record([Op::Gap(range)]);
    }

    /// A consumer pulled an event.
    ///
    /// # Panics
    /// When it is not whole.
    pub fn pulled(&self, subscription: &str, consumer: &str, pulled: &PulledEvent, event: &[u8]) {
        let envelope = scan(event).expect("a pulled event is valid");
        let position = pulled.position.as_ref().expect("a pulled event has a place");
        self.record([Op::Delivery(Delivery {
            subscription: subscription.into(),
            consumer: consumer.into(),
            topic: pulled.topic.as_str().into(),
            partition: position.partition,
            offset: position.offset,
            event: hex(&envelope.id).into(),
            hash: hash(event).into(),
            key: envelope.instrument.into(),
            attempt: pulled.attempt,
            redelivered: pulled.redelivered,
            tenant: None,
        })]);
    }

    /// Acks of these were confirmed.
    pub fn confirmed(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Ack(range(subscription, topic, run))]);
    }

    /// These were given back.
    pub fn nacked(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Nack(range(subscription, topic, run))]);
    }

    /// The service knows by now that these were given back.
    pub fn gated(&self, subscription: &str, topic: &str, run: &Run) {
        self.record([Op::Gate(range(subscription, topic, run))]);
    }

    /// Which of some subscriptions' filters select an event, as somebody else than the service says.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn verdict<'n>(&self, event: &[u8], said: impl IntoIterator<Item = (&'n str, bool)>) {
        let event = hex(&scan(event).expect("a test event is valid").id).into();
        let mut verdict = Verdict { event, selected_by: Vec::new(), left_out_by: Vec::new() };
        for (subscription, matched) in said {
            let names = if matched { &mut verdict.selected_by } else { &mut verdict.left_out_by };
            names.push(subscription.into());
        }
        self.record([Op::Verdict(verdict)]);
    }

    /// Nothing is open to a subscription any more, and these are its dead letters, as the service
    /// lists them.
    ///
    /// # Panics
    /// When they are not as documented.
    pub fn drained(&self, subscription: &str, letters: &[Value]) {
        let number = |letter: &Value, what: &str| letter[what].as_u64().expect("a letter's place");
        let dead = letters.iter().map(|letter| {
            Op::Dead(Dead {
                subscription: subscription.into(),
                topic: letter["topic"].as_str().expect("a letter's topic").into(),
                partition: number(letter, "partition").try_into().expect("a partition"),
                offset: number(letter, "offset"),
            })
        });
        self.record(dead);
        self.mark("drained", Some(subscription));
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
        let subscription = subscription.map(Into::into);
        self.record([Op::Mark(Mark { what: what.into(), subscription })]);
    }

    /// A fault of this name waits for its moment.
    pub fn armed(&self, fault: &str) {
        self.fault(fault, Phase::Armed, &[]);
    }

    /// It happened; from here until a restart nothing may be acknowledged in topics like these.
    pub fn fired(&self, fault: &str, silences: &[&str]) {
        self.fault(fault, Phase::Fired, silences);
    }

    /// It is over, and everything has to advance.
    pub fn healed(&self, fault: &str) {
        self.fault(fault, Phase::Healed, &[]);
    }

    fn fault(&self, what: &str, phase: Phase, silences: &[&str]) {
        let silences = silences.iter().map(|&topics| topics.into()).collect();
        self.record([Op::Fault(Fault { what: what.into(), phase, silences })]);
    }

    /// Has the checker judge everything so far.
    ///
    /// # Panics
    /// When its verdict is not that the promise was kept, quoting the smallest slice that shows it.
    pub fn judge(&self, thresholds: &Thresholds) {
        let _told = self.judged(thresholds);
    }

    /// As [`Self::judge`]; what the checker says.
    ///
    /// # Panics
    /// As [`Self::judge`].
    #[must_use]
    pub fn judged(&self, thresholds: &Thresholds) -> String {
        let (report, told) = self.report(thresholds);
        assert_eq!(report.exit_code(), 0, "{told}");
        told
    }

    /// The checker's verdict on everything so far, and how it tells it.
    ///
    /// # Panics
    /// When the history cannot be written or read.
    #[must_use]
    pub fn report(&self, thresholds: &Thresholds) -> (Report, String) {
        self.writer.flush().expect("the history can be written");
        let history = History::read(&[&self.path], Limits::default());
        let history = history.expect("the history can be read");
        let report = judge(&history, thresholds);
        let told = report.show(&history.records).to_string();
        (report, told)
    }
}

fn range(subscription: &str, topic: &str, run: &Run) -> Range {
    Range {
        subscription: subscription.into(),
        topic: topic.into(),
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
