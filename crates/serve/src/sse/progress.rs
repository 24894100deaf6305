//! What the ids of a stream's events stand for: numbers that the service remembers, or positions
//! that the reader keeps.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tidings_deliver::{Delivery, Run, Session, SessionId};
use tidings_event::block::crc32c;
use tidings_event::{Epoch, Offset, PartitionId, Position, Refusal, TopicId, TopicPartition};

use super::ids::{SentId, invalid};
use super::unresolved::Unresolved;

/// See the module.
#[derive(Debug)]
pub(super) enum Progress {
    Numbers(Arc<Mutex<Unresolved>>),
    /// The next offset of every partition that is not at its start.
    Positions(Epoch, BTreeMap<TopicPartition, u64>),
}

impl Progress {
    pub(super) fn numbers(sent: Arc<Mutex<Unresolved>>) -> Self {
        Self::Numbers(sent)
    }

    pub(super) fn positions(session: &Session) -> Self {
        let positions = session.positions();
        let epoch = positions.first().map_or(Epoch(0), |position| position.epoch);
        let next = positions.iter().map(|p| (p.topic_partition(), p.offset.0)).collect();
        Self::Positions(epoch, next)
    }

    /// Takes note of a delivery; gives the number of its first event where numbers count.
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> u64 {
        let Self::Numbers(sent) = self else { return 0 };
        let mut sent = super::lock(sent);
        let mut first = None;
        for &(at, count) in &delivery.offsets {
            let run = Run {
                topic: delivery.topic.id,
                epoch: delivery.epoch,
                partition: delivery.partition,
                first: at,
                last: Offset(at.0 + u64::from(count) - 1),
            };
            first.get_or_insert(sent.push(run));
        }
        first.unwrap_or(0)
    }

    /// Writes the id of an event, once everything before it was sent.
    pub(super) fn put_id(
        &mut self,
        (session, number): (SessionId, u64),
        position: Position,
        out: &mut String,
    ) {
        match self {
            Self::Numbers(_) => {
                // Writing to a String cannot fail.
                let _infallible = write!(out, "{}", SentId { session, number });
            }
            Self::Positions(epoch, next) => {
                *epoch = position.epoch;
                next.insert(position.topic_partition(), position.offset.0 + 1);
                spell(*epoch, next, out);
            }
        }
    }

    /// Goes on after offsets that never come; the id that says so, where ids are positions.
    pub(super) fn skip(
        &mut self,
        at: TopicPartition,
        epoch: Epoch,
        next_offset: u64,
    ) -> Option<String> {
        let Self::Positions(known, next) = self else { return None };
        *known = epoch;
        next.insert(at, next_offset);
        let mut id = String::new();
        spell(*known, next, &mut id);
        Some(id)
    }
}

/// `e1-epoch { .topic { -partition:offset } } ~checksum`, in hexadecimal.
fn spell(epoch: Epoch, next: &BTreeMap<TopicPartition, u64>, text: &mut String) {
    let start = text.len();
    text.reserve(24 + next.len() * 8);
    let mut topic = None;
    // Writing to a String cannot fail.
    let _infallible = write!(text, "e1-{:x}", epoch.0);
    for (at, offset) in next {
        if topic != Some(at.topic) {
            topic = Some(at.topic);
            let _infallible = write!(text, ".{:x}", at.topic.0);
        }
        let _infallible = write!(text, "-{:x}:{offset:x}", at.partition.0);
    }
    let checksum = crc32c(text.as_bytes().get(start..).unwrap_or_default());
    let _infallible = write!(text, "~{checksum:08x}");
}

/// The positions that an id stands for.
pub(super) fn read(text: &str) -> Result<Vec<Position>, Refusal> {
    parse(text).ok_or_else(|| invalid(text))
}

fn parse(text: &str) -> Option<Vec<Position>> {
    let (body, checksum) = text.rsplit_once('~')?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32c(body.as_bytes()) {
        return None;
    }
    let mut topics = body.strip_prefix("e1-")?.split('.');
    let epoch = Epoch(u32::from_str_radix(topics.next()?, 16).ok()?);
    let mut positions = Vec::new();
    for part in topics {
        let mut parts = part.split('-');
        let topic = TopicId(u64::from_str_radix(parts.next()?, 16).ok()?);
        for pair in parts {
            let (partition, offset) = pair.split_once(':')?;
            let partition = PartitionId(u32::from_str_radix(partition, 16).ok()?);
            let offset = Offset(u64::from_str_radix(offset, 16).ok()?);
            positions.push(Position { topic, epoch, partition, offset });
        }
    }
    Some(positions)
}

#[cfg(test)]
mod tests;
