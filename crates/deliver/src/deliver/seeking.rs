//! Moving a subscription to another place of the log.

use std::collections::BTreeMap;

use tidings_catalog::Start;
use tidings_event::{Code, Offset, Position, Refusal, TopicPartition};

use super::Deliver;
use crate::cursor::Cursor;
use crate::ephemeral;

impl Deliver {
    /// Has a subscription go on elsewhere: every partition of it, but for [`Start::Positions`], which
    /// leaves those without a position where they are. What is in flight is forgotten: its acks are
    /// stale, and what was sent before is flagged when it comes again. Resolves when that is durable,
    /// with where it goes on.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `POSITION_INVALID`, `OFFSET_OUT_OF_RANGE`, `OFFSET_TRIMMED` for positions
    /// that are not of the subscription or this log; `FIELD_INVALID` for a start at the last values; what saving
    /// cursors refuses.
    pub async fn seek(
        &self,
        tenant: &str,
        subscription: &str,
        to: Start,
    ) -> Result<Vec<Position>, Refusal> {
        let live = self.live(tenant, subscription)?;
        if to == Start::LastPerKey {
            let refusal = Refusal::new(Code::FieldInvalid, "only a new subscription starts there");
            return Err(refusal.at_field("to"));
        }
        let held = live.lock().slots.partitions();
        let places = self.resolve(&held, &to).await?;
        let mut before = Vec::with_capacity(places.len());
        let (epoch, saves, generation) = {
            let mut state = live.lock();
            if let Some(refusal) = state.saves.refusal() {
                return Err(refusal);
            }
            for (&partition, offset) in &places {
                let is_earliest = to == Start::Earliest;
                let low = if is_earliest { state.earliest(partition, offset.0) } else { offset.0 };
                let was = state.seek(partition, Cursor { low, ..Cursor::default() });
                before.extend(was.map(|was| (partition, was)));
            }
            self.stage.report(&mut state);
            (state.epoch, state.saves.count(), state.generation)
        };
        live.catch_tails(self.stage.log.as_ref());
        if !places.is_empty()
            && let Err(refusal) = self.stage.until_saved(&live, saves, generation).await
        {
            let mut state = live.lock();
            for (partition, was) in before {
                state.seek(partition, was);
            }
            drop(state);
            live.catch_tails(self.stage.log.as_ref());
            return Err(refusal);
        }
        let at = |(partition, offset): (TopicPartition, Offset)| {
            let TopicPartition { topic, partition } = partition;
            Position { topic, epoch, partition, offset }
        };
        Ok(places.into_iter().map(at).collect())
    }

    async fn resolve(
        &self,
        held: &[TopicPartition],
        to: &Start,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Refusal> {
        let log = self.stage.log.as_ref();
        let Start::Positions(positions) = to else {
            return ephemeral::boundary(log, held, to).await;
        };
        let mut named = Vec::with_capacity(positions.len());
        for (index, position) in positions.iter().enumerate() {
            let partition = position.topic_partition();
            let at = |refusal: Refusal| refusal.at_field(format!("to.positions[{index}]"));
            if !held.contains(&partition) {
                let detail = "it is in no topic that the subscription selects";
                return Err(at(Refusal::new(Code::PositionInvalid, detail)));
            }
            ephemeral::check(log, position).map_err(at)?;
            let trim = log.bounds(partition).map_or(Offset(0), |bounds| bounds.trim);
            if position.offset < trim {
                let detail = format!("offset {} is below the trim point {trim}", position.offset);
                let refusal = Refusal::new(Code::OffsetTrimmed, detail);
                return Err(at(refusal.with_hint("seek to `earliest`, or to a position kept")));
            }
            named.push(partition);
        }
        ephemeral::boundary(log, &named, to).await
    }
}
