//! Settlements as messages of `settlement.proto`.

use bytes::{Bytes, BytesMut};
use prost::Message;
use tidings_catalog::Subscription;
use tidings_event::{Epoch, Timestamp, TopicPartition, v1};

use super::Settled;

/// Some hundred messages are made in one piece of memory.
const PIECE_BYTES: usize = 8 << 10;

/// Makes messages, one after the other, with what the one before was made in.
#[derive(Default)]
pub(crate) struct Encoder {
    message: v1::Settlement,
    /// Where messages are made; each that was given away is a part of it.
    bytes: BytesMut,
}

impl Encoder {
    /// Gives away the messages of a run: one for each revision that it lies in.
    pub(crate) fn encode(
        &mut self,
        subscription: &Subscription,
        epoch: Epoch,
        run: &Settled,
        settled_at: Timestamp,
        mut give: impl FnMut(Bytes),
    ) {
        let (mut first, mut left) = (run.first, run.count);
        while first < run.end {
            let (revision, until) = in_force(subscription, run.partition, first);
            let end = run.end.min(until);
            // What the filter left out of a run that two revisions share is told with the first.
            let count = if end == run.end { left } else { left.min(end - first) };
            left -= count;
            self.message = v1::Settlement {
                subscription_id: subscription.id.0,
                revision,
                topic_id: run.partition.topic.0,
                partition: run.partition.partition.0,
                epoch: epoch.0,
                first,
                last: end - 1,
                outcome: run.outcome.on_wire() as i32,
                first_sent: run.first_sent.0,
                settled_at: settled_at.0,
                attempts: run.attempts,
                consumer: written(&mut self.message.consumer, &run.consumer),
                reason: written(&mut self.message.reason, run.outcome.reason()),
                count,
            };
            let length = self.message.encoded_len();
            if self.bytes.capacity() < length {
                self.bytes = BytesMut::with_capacity(length.max(PIECE_BYTES));
            }
            // There is room for it: nothing else can go wrong.
            let _encoded = self.message.encode(&mut self.bytes);
            give(self.bytes.split().freeze());
            first = end;
        }
    }
}

/// A text in the memory of the one before.
fn written(memory: &mut String, text: &str) -> String {
    let mut memory = std::mem::take(memory);
    memory.clear();
    memory.push_str(text);
    memory
}

/// The revision that judges an offset, and the first offset that it does not judge any more.
fn in_force(subscription: &Subscription, at: TopicPartition, offset: u64) -> (u32, u64) {
    let (mut number, mut until) = (1, u64::MAX);
    for revision in &subscription.revisions {
        let from = revision.boundary.get(at).map_or(0, |offset| offset.0);
        // The first selects from the subscription's start on, and nothing below it is settled.
        if from <= offset || revision.number == 1 {
            (number, until) = (revision.number, u64::MAX);
        } else {
            until = until.min(from);
        }
    }
    (number, until)
}

#[cfg(test)]
mod tests;
