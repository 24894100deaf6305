//! What a read of the log brings: blocks, or that there are none any more.

use std::sync::Arc;

use tidings_event::hop::Committed;
use tidings_event::{Code, Refusal, TopicPartition};
use tidings_log::ReadError;

use super::{Ended, State, gap};
use crate::outgoing::{GapReason, Outgoing};
use crate::settlement::Outcome;
use crate::slot::ReadFor;

impl State {
    /// Takes the answer to [`Step::Read`].
    pub(crate) fn filled(
        &mut self,
        (partition, from, why): (TopicPartition, u64, ReadFor),
        answer: Result<Vec<Committed>, ReadError>,
    ) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let lost = match answer {
            Ok(blocks) => {
                let Some(found) = blocks.first().map(|block| block.block.header.base_offset.0)
                else {
                    slot.tail = slot.tail.min(from);
                    return;
                };
                let before = slot.fresh.bytes();
                slot.fill(&blocks, from, why);
                self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
                if found <= from {
                    return;
                }
                (from, found, GapReason::DataLoss)
            }
            Err(ReadError::Trimmed { trim, .. }) => (from, trim.0, GapReason::Retention),
            Err(ReadError::DataLoss { from: first, to, .. }) => {
                (first.0.max(from), to.0 + 1, GapReason::DataLoss)
            }
            Err(ReadError::OutOfRange { durable_tail, .. }) => {
                slot.tail = slot.tail.min(durable_tail.0);
                return;
            }
            Err(ReadError::UnknownPartition(_)) => {
                slot.tail = slot.tail.min(from);
                return;
            }
            Err(ReadError::Io(detail)) => {
                self.outbox.push_back(Outgoing::Closed(Refusal::new(Code::Internal, detail)));
                return;
            }
        };
        self.skip(partition, lost);
    }

    pub(super) fn skip(
        &mut self,
        partition: TopicPartition,
        (first, end, reason): (u64, u64, GapReason),
    ) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let mut skipped = slot.window.skip(first, end);
        let (mut parked, released) = slot.gates.drop_parked(first, end, |_| true);
        parked.extend(slot.drop_waiting(first, end, |_| true));
        skipped.extend(slot.drop_folded(first, end));
        parked.iter().for_each(|(offset, _)| slot.window.end(*offset));
        skipped.extend(parked.iter().map(|(offset, _)| (*offset, offset + 1, 1)));
        let out = slot.gates.settled(first, end);
        slot.release(out);
        slot.release(released);
        let count = skipped.iter().map(|run| run.2).sum();
        let topic = Arc::clone(&slot.topic);
        self.conflate(partition, (first, end), None, &Arc::default());
        if count == 0 {
            return;
        }
        let outcome = Outcome::Skipped(reason);
        let ended = skipped
            .into_iter()
            .map(|(first, end, count)| Ended::unsent(partition, (first, end), count, outcome));
        let notice = gap(&topic, self.epoch, partition, (first, end), count, reason);
        self.tell_gap(notice, ended);
        self.dirty(partition);
    }
}
