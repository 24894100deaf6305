//! Frames of the service.

use std::fmt::{Display, Write};

use tidings_event::{Offset, Timestamp};

use crate::ProblemDocument;

/// What the events of a batch share.
#[derive(Clone, Copy)]
pub struct BatchHead<'a> {
    /// Topic path.
    pub topic: &'a str,
    /// Partition.
    pub partition: u32,
    /// Epoch of the log.
    pub epoch: u32,
    /// When the service took the first of the events in, RFC 3339.
    pub ingested_at: &'a str,
}

/// One event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventLine<'a, A> {
    /// Offset.
    pub offset: u64,
    /// Settles this delivery; plain characters only.
    pub ack_id: Option<A>,
    /// From 1; said only above it.
    pub attempt: u32,
    /// Said only when true.
    pub redelivered: bool,
    /// Said only when true.
    pub redriven: bool,
    /// When the service took it in, where that is not when it took the batch's first in.
    pub ingested_at: Option<Timestamp>,
    /// Offsets of events of the batch's keys that were dead-lettered; said with its first event.
    pub skipped: &'a [Offset],
    /// What it tells of, as JSON.
    pub digest: Option<&'a str>,
    /// Canonical JSON.
    pub event: &'a str,
}

/// Offsets of one partition, both ends included.
#[derive(Clone, Copy, Debug)]
pub struct RunLine<'a> {
    /// Topic path.
    pub topic: &'a str,
    /// Partition.
    pub partition: u32,
    /// Epoch of the log.
    pub epoch: u32,
    /// First offset.
    pub from: u64,
    /// Last offset.
    pub to: u64,
}

/// Room for what most frames without events say, and for a run of offsets in one.
const FRAME_BYTES: usize = 64;
const RUN_BYTES: usize = 128;

/// Text of a frame. Writing to it cannot fail; names and ids are of grammars without quotes.
#[derive(Debug, Default)]
pub struct Frame(String);

impl Frame {
    /// One that is written behind what a text holds already.
    #[must_use]
    pub fn behind(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// How many bytes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _infallible = self.0.write_fmt(text);
    }

    fn texts(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.0.push_str(text));
    }

    /// Without the formatter: several are written for every event.
    fn number(&mut self, number: impl itoa::Integer) {
        self.0.push_str(itoa::Buffer::new().format(number));
    }

    /// The stream is open.
    #[must_use]
    pub fn opened(session: &str, events: u32, bytes: u64) -> Self {
        Self(format!(
            r#"{{"type":"opened","session":"{session}","max_in_flight_events":{events},"max_in_flight_bytes":{bytes}}}"#
        ))
    }

    /// Starts a batch; events follow, then [`Self::end_batch`].
    #[must_use]
    pub fn batch(head: &BatchHead<'_>, capacity: usize) -> Self {
        let mut frame = Self(String::with_capacity(capacity));
        frame.texts(&[r#"{"type":"events","topic":""#, head.topic, r#"","partition":"#]);
        frame.number(head.partition);
        frame.texts(&[r#","epoch":"#]);
        frame.number(head.epoch);
        frame.texts(&[r#","ingested_at":""#, head.ingested_at, r#"","events":["#]);
        frame
    }

    /// Adds an event to a batch.
    pub fn event<A: Display>(&mut self, line: &EventLine<'_, A>) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
        self.texts(&[r#"{"offset":"#]);
        self.number(line.offset);
        if let Some(id) = &line.ack_id {
            self.put(format_args!(r#","ack_id":"{id}""#));
        }
        if let Some(at) = line.ingested_at {
            self.put(format_args!(r#","ingested_at":"{at}""#));
        }
        self.delivery(line);
        self.0.push_str(r#","event":"#);
        self.0.push_str(line.event);
        self.0.push('}');
    }

    fn delivery<A>(&mut self, line: &EventLine<'_, A>) {
        if line.attempt > 1 {
            self.put(format_args!(r#","attempt":{}"#, line.attempt));
        }
        if line.redelivered {
            self.0.push_str(r#","redelivered":true"#);
        }
        if line.redriven {
            self.0.push_str(r#","redriven":true"#);
        }
        for (at, offset) in line.skipped.iter().enumerate() {
            self.0.push_str(if at == 0 { r#","skipped_to_dead_letter":["# } else { "," });
            self.put(format_args!("{offset}"));
        }
        if !line.skipped.is_empty() {
            self.0.push(']');
        }
        if let Some(digest) = line.digest {
            self.put(format_args!(r#","digest":{digest}"#));
        }
    }

    /// Ends a batch.
    pub fn end_batch(&mut self) {
        self.0.push_str("]}");
    }

    /// One event by itself, with all that a batch says; no type.
    pub fn single<A: Display>(&mut self, head: &BatchHead<'_>, line: &EventLine<'_, A>) {
        let BatchHead { topic, partition, epoch, ingested_at } = head;
        self.texts(&[r#"{"topic":""#, topic, r#"","partition":"#]);
        self.number(*partition);
        self.texts(&[r#","epoch":"#]);
        self.number(*epoch);
        self.texts(&[r#","offset":"#]);
        self.number(line.offset);
        self.texts(&[r#","ingested_at":""#]);
        match line.ingested_at {
            Some(at) => self.put(format_args!("{at}")),
            None => self.0.push_str(ingested_at),
        }
        self.0.push('"');
        self.delivery(line);
        self.0.push_str(r#","event":"#);
        self.0.push_str(line.event);
        self.0.push('}');
    }

    /// Acks whose cursors are durable, and those that settled nothing.
    pub fn confirmed<'a>(
        runs: impl Iterator<Item = RunLine<'a>>,
        stale: impl Iterator<Item = RunLine<'a>>,
    ) -> Self {
        Self::verdict("confirmed", runs, stale)
    }

    /// Deliveries that have more time, and those that were not in flight.
    pub fn extended<'a>(
        runs: impl Iterator<Item = RunLine<'a>>,
        stale: impl Iterator<Item = RunLine<'a>>,
    ) -> Self {
        Self::verdict("extended", runs, stale)
    }

    fn verdict<'a>(
        kind: &str,
        runs: impl Iterator<Item = RunLine<'a>>,
        stale: impl Iterator<Item = RunLine<'a>>,
    ) -> Self {
        let count = runs.size_hint().0 + stale.size_hint().0;
        let mut frame = Self(String::with_capacity(FRAME_BYTES + count * RUN_BYTES));
        frame.0.push_str(r#"{"type":""#);
        frame.0.push_str(kind);
        frame.0.push_str(r#"","runs":["#);
        frame.runs(runs);
        frame.0.push_str(r#"],"stale":["#);
        frame.runs(stale);
        frame.0.push_str("]}");
        frame
    }

    fn runs<'a>(&mut self, runs: impl Iterator<Item = RunLine<'a>>) {
        for RunLine { topic, partition, epoch, from, to } in runs {
            if !self.0.ends_with('[') {
                self.0.push(',');
            }
            self.texts(&[r#"{"topic":""#, topic, r#"","partition":"#]);
            self.number(partition);
            self.texts(&[r#","epoch":"#]);
            self.number(epoch);
            self.texts(&[r#","from":"#]);
            self.number(from);
            self.texts(&[r#","to":"#]);
            self.number(to);
            self.0.push('}');
        }
    }

    /// Offsets that will never come.
    #[must_use]
    pub fn gap(run: &RunLine<'_>, count: u64, reason: &str) -> Self {
        let RunLine { topic, partition, epoch, from, to } = run;
        Self(format!(
            r#"{{"type":"gap","topic":"{topic}","partition":{partition},"epoch":{epoch},"from":{from},"to":{to},"count":{count},"reason":"{reason}"}}"#
        ))
    }

    /// The window is full and holds events back, or has room again.
    #[must_use]
    pub fn window(kind: &str, in_flight: u64) -> Self {
        Self(format!(r#"{{"type":"{kind}","in_flight":{in_flight}}}"#))
    }

    /// Silence was filled: the last offset sent of each partition, and what is not settled.
    pub fn heartbeat<'a>(last: impl Iterator<Item = RunLine<'a>>, lag: u64) -> Self {
        let mut frame = Self(r#"{"type":"heartbeat","last_sent":["#.to_owned());
        for RunLine { topic, partition, epoch, to, .. } in last {
            if !frame.0.ends_with('[') {
                frame.0.push(',');
            }
            frame.put(format_args!(
                r#"{{"topic":"{topic}","partition":{partition},"epoch":{epoch},"offset":{to}}}"#
            ));
        }
        frame.put(format_args!(r#"],"lag_events":{lag}}}"#));
        frame
    }

    /// The stream ends.
    #[must_use]
    pub fn error(problem: &ProblemDocument) -> Self {
        let document = serde_json::to_string(problem).unwrap_or_default();
        Self(format!(r#"{{"type":"error","problem":{document}}}"#))
    }
}
