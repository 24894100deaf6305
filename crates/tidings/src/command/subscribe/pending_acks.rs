//! Which acks the service has not answered yet.

use tidings_client::Confirmed;
use tidings_event::Position;

/// The last acknowledged position of each partition that no confirmation covers.
#[derive(Debug, Default)]
pub(super) struct PendingAcks(Vec<Position>);

impl PendingAcks {
    /// Everything up to here was acknowledged: earlier ones of its partition are answered with it
    /// or before.
    pub(super) fn sent(&mut self, position: Position) {
        let place = position.topic_partition();
        self.0.retain(|pending| pending.topic_partition() != place);
        self.0.push(position);
    }

    /// The service said what became of acks. A stale one is answered as well: its event comes again.
    pub(super) fn answered(&mut self, acks: &Confirmed) {
        self.0.retain(|pending| {
            !acks.runs.iter().chain(&acks.stale).any(|run| {
                (run.topic, run.epoch, run.partition)
                    == (pending.topic, pending.epoch, pending.partition)
                    && (run.first..=run.last).contains(&pending.offset)
            })
        });
    }

    /// The connection broke: no answer comes to these any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
