//! A delivery as the caller sees it, and the walk over its events.

use std::sync::Arc;

use bytes::Bytes;
use tidings_event::block::{self, Events};
use tidings_event::{Epoch, Offset, PartitionId, Position, Timestamp, TopicId, packed};
use tidings_wire::v1;

use crate::ClientError;

/// A run of offsets in one partition, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The topic.
    pub topic: TopicId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The partition.
    pub partition: PartitionId,
    /// First offset.
    pub first: Offset,
    /// Last offset.
    pub last: Offset,
}

/// Events of one partition in offset order, as stored.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Number of the topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// When the service took the first block in; [`DeliveredEvent::ingested_at`] tells of each event.
    pub ingested_at: Timestamp,
    /// Number of events.
    pub count: u32,
    /// The events, as one serialised `EventBatch`.
    pub body: Bytes,
    /// Events that were dead-lettered: earlier ones of a key of which this holds the next event.
    pub skipped_to_dead_letter: Vec<Offset>,
    offsets: Vec<v1::OffsetRun>,
    attempts: Vec<v1::AttemptRun>,
    redelivered: Vec<v1::OffsetRun>,
    redriven: Vec<v1::OffsetRun>,
    digests: Vec<v1::Digest>,
    later: Vec<v1::LaterBlock>,
}

/// One event of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveredEvent<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its canonical bytes.
    pub event: &'a [u8],
    /// When the service took it in.
    pub ingested_at: Timestamp,
    /// From 1.
    pub attempt: u32,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// It comes from the dead letters, outside the order.
    pub redriven: bool,
    /// The look-alike anomalies that it tells of, itself included; its ack settles all of them.
    pub digest: Option<&'a v1::Digest>,
}

impl Delivered {
    pub(super) fn read(topic: Arc<str>, delivery: v1::Delivery) -> Result<Self, ClientError> {
        let body = packed::unpack(delivery.body, delivery.codec);
        Ok(Self {
            topic,
            topic_id: TopicId(delivery.topic_id),
            partition: PartitionId(delivery.partition),
            epoch: Epoch(delivery.epoch),
            ingested_at: Timestamp(delivery.ingested_at),
            count: delivery.offsets.iter().map(|run| run.count).sum(),
            body: body.map_err(|error| ClientError::Protocol(error.to_string()))?,
            skipped_to_dead_letter: delivery
                .skipped_to_dead_letter
                .into_iter()
                .map(Offset)
                .collect(),
            offsets: delivery.offsets,
            attempts: delivery.attempts,
            redelivered: delivery.redelivered,
            redriven: delivery.redriven,
            digests: delivery.digests,
            later: delivery.later,
        })
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Result<DeliveredEvent<'_>, ClientError>> {
        let runs = self.offsets.iter();
        let offsets = runs.flat_map(|run| (0..u64::from(run.count)).map(|n| run.first + n));
        Walk { delivered: self, offsets, events: block::events(&self.body) }
    }

    /// Position of the last event: what acknowledges them all.
    #[must_use]
    pub fn last_position(&self) -> Position {
        let last = self.offsets.last();
        let offset = last.map_or(0, |run| run.first + u64::from(run.count.max(1)) - 1);
        Position {
            topic: self.topic_id,
            epoch: self.epoch,
            partition: self.partition,
            offset: Offset(offset),
        }
    }

    /// Its offsets as runs, for acks and nacks.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let filled = self.offsets.iter().filter(|run| run.count > 0);
        let run = |run: &v1::OffsetRun| self.run(run.first, run.first + u64::from(run.count) - 1);
        filled.map(run).collect()
    }

    /// A run in this delivery's partition.
    #[must_use]
    pub fn run(&self, first: u64, last: u64) -> Run {
        Run {
            topic: self.topic_id,
            epoch: self.epoch,
            partition: self.partition,
            first: Offset(first),
            last: Offset(last),
        }
    }

    fn ingested_at(&self, offset: u64) -> Timestamp {
        let later = self.later.iter().rev().find(|block| block.first <= offset);
        later.map_or(self.ingested_at, |block| Timestamp(block.ingested_at))
    }

    fn attempt(&self, offset: u64) -> u32 {
        let covers = |run: &&v1::AttemptRun| within(offset, run.first, run.count);
        self.attempts.iter().find(covers).map_or(1, |run| run.attempt)
    }
}

fn holds(runs: &[v1::OffsetRun], offset: u64) -> bool {
    runs.iter().any(|run| within(offset, run.first, run.count))
}

fn within(offset: u64, first: u64, count: u32) -> bool {
    offset >= first && offset - first < u64::from(count)
}

struct Walk<'a, O> {
    delivered: &'a Delivered,
    offsets: O,
    events: Events<'a>,
}

impl<'a, O: Iterator<Item = u64>> Iterator for Walk<'a, O> {
    type Item = Result<DeliveredEvent<'a>, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.events.next(), self.offsets.next()) {
            (None, None) => None,
            (Some(Ok(event)), Some(offset)) => Some(Ok(DeliveredEvent {
                offset: Offset(offset),
                event,
                ingested_at: self.delivered.ingested_at(offset),
                attempt: self.delivered.attempt(offset),
                redelivered: holds(&self.delivered.redelivered, offset),
                redriven: holds(&self.delivered.redriven, offset),
                digest: self.delivered.digests.iter().find(|digest| digest.offset == offset),
            })),
            (Some(Err(error)), _) => Some(Err(ClientError::Protocol(error.to_string()))),
            _ => {
                self.events = block::events(&[]);
                self.offsets.by_ref().for_each(drop);
                let detail = "a delivery has not one offset per event".to_owned();
                Some(Err(ClientError::Protocol(detail)))
            }
        }
    }
}

pub(super) fn position_out(position: Position) -> v1::Position {
    v1::Position {
        topic_id: position.topic.0,
        epoch: position.epoch.0,
        partition: position.partition.0,
        offset: position.offset.0,
    }
}

pub(super) fn run_out(run: &Run) -> v1::PositionRun {
    v1::PositionRun {
        topic_id: run.topic.0,
        epoch: run.epoch.0,
        partition: run.partition.0,
        first: run.first.0,
        last: run.last.0,
    }
}

pub(super) fn run_in(run: v1::PositionRun) -> Run {
    Run {
        topic: TopicId(run.topic_id),
        epoch: Epoch(run.epoch),
        partition: PartitionId(run.partition),
        first: Offset(run.first),
        last: Offset(run.last),
    }
}

#[cfg(test)]
mod tests;
