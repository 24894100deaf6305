//! The copy of a letter in the log: a note, and then the event as it was published.

use bytes::Bytes;
use prost::Message;
use tidings_catalog::{InternalTopic, SubscriptionId};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{Offset, PartitionId, Timestamp, TopicPartition, v1};
use tidings_log::{PartitionLog, ReadError};

use super::letter::{Attempt, AttemptOutcome, Buried};
use crate::nack::DETAIL_BYTES_MAX;

/// Most attempts that a note keeps.
const ATTEMPTS_MAX: usize = 64;

/// The items of a copy.
pub(crate) fn items(
    subscription: SubscriptionId,
    letter: &Buried,
    buried_at: Timestamp,
) -> [Vec<u8>; 2] {
    let position = letter.position;
    let passed = letter.attempts.len().saturating_sub(ATTEMPTS_MAX);
    let note = v1::DeadLetterNote {
        subscription_id: subscription.0,
        topic_id: position.topic.0,
        partition: position.partition.0,
        epoch: position.epoch.0,
        offset: position.offset.0,
        reason: letter.reason.as_str().to_owned(),
        buried_at: buried_at.0,
        attempts: letter.attempts.iter().skip(passed).map(write).collect(),
        deliveries: letter.sent,
    };
    [note.encode_to_vec(), letter.event.to_vec()]
}

fn write(attempt: &Attempt) -> v1::DeliveryAttempt {
    let detail = &attempt.detail[..attempt.detail.floor_char_boundary(DETAIL_BYTES_MAX)];
    v1::DeliveryAttempt {
        at: attempt.at.0,
        consumer: attempt.consumer.to_string(),
        outcome: attempt.outcome.as_str().to_owned(),
        detail: detail.to_owned(),
    }
}

fn read(attempt: &v1::DeliveryAttempt) -> Option<Attempt> {
    let outcome = AttemptOutcome::ALL.into_iter().find(|o| o.as_str() == attempt.outcome)?;
    Some(Attempt {
        at: Timestamp(attempt.at),
        consumer: attempt.consumer.as_str().into(),
        outcome,
        detail: attempt.detail.as_str().into(),
    })
}

/// What was read of a copy's note.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) buried_at: Timestamp,
    pub(crate) attempts: Vec<Attempt>,
    /// How often the event was sent.
    pub(crate) sent: u32,
}

/// Reads copies; one after the other in the same block costs one read.
pub(crate) struct Copies<'a> {
    log: &'a dyn PartitionLog,
    held: Option<Committed>,
}

impl<'a> Copies<'a> {
    pub(crate) fn of(log: &'a dyn PartitionLog) -> Self {
        Self { log, held: None }
    }

    /// The note of the copy that lies at an offset, about an event of a partition; nothing for a
    /// note that cannot be read.
    pub(crate) async fn note(
        &mut self,
        about: PartitionId,
        copy: Offset,
    ) -> Result<Option<Note>, ReadError> {
        let Some(item) = self.item(InternalTopic::DEAD_LETTERS.about(about), copy).await? else {
            return Ok(None);
        };
        let note = v1::DeadLetterNote::decode(item).ok();
        Ok(note.map(|note| Note {
            buried_at: Timestamp(note.buried_at),
            attempts: note.attempts.iter().filter_map(read).collect(),
            // Of before that was counted: as often as it failed, at least.
            sent: note.deliveries.max(u32::try_from(note.attempts.len()).unwrap_or(u32::MAX)),
        }))
    }

    /// The event of that copy.
    pub(crate) async fn event(
        &mut self,
        about: PartitionId,
        copy: Offset,
    ) -> Result<Option<Bytes>, ReadError> {
        self.item(InternalTopic::DEAD_LETTERS.about(about), copy.plus(1)).await
    }

    async fn item(
        &mut self,
        at: TopicPartition,
        offset: Offset,
    ) -> Result<Option<Bytes>, ReadError> {
        let holds = |block: &Committed| {
            let from = block.block.header.base_offset;
            block.topic_partition() == at && (from..block.end_offset()).contains(&offset)
        };
        if !self.held.as_ref().is_some_and(holds) {
            self.held = self.log.read(at, offset, 1).await?.into_iter().next();
        }
        let Some(block) = self.held.as_ref().filter(|&block| holds(block)) else { return Ok(None) };
        let body = &block.block.body;
        let nth =
            usize::try_from(offset.0 - block.block.header.base_offset.0).unwrap_or(usize::MAX);
        Ok(events(body).map_while(Result::ok).nth(nth).map(|item| body.slice_ref(item)))
    }
}

#[cfg(test)]
mod tests;
