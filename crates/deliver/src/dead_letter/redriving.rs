//! Sending letters on their way again: they are marked, durably, and handed to whoever delivers.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tidings_catalog::SubscriptionId;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, Refusal, TopicPartition};
use tidings_log::{ReadError, TableChange};
use tidings_telemetry::Counter;

use super::copy::Copies;
use super::dead_letters::{DeadLetters, refused};
use super::letter::{Chosen, LetterState, Redriven, Selection};
use super::record::{self, Place, Record};

/// The partitions in which a subscription can be delivered anything.
pub(crate) type Reach = BTreeSet<TopicPartition>;

impl DeadLetters {
    /// Marks letters as redriven. They stay until they are settled, over restarts too.
    pub(crate) async fn redrive(
        self: &Arc<Self>,
        id: SubscriptionId,
        selection: Selection,
        reach: Reach,
    ) -> Result<Chosen, Refusal> {
        let store = Arc::clone(self);
        self.run(async move { store.mark(id, &selection, &reach).await }).await
    }

    async fn mark(
        &self,
        id: SubscriptionId,
        selection: &Selection,
        reach: &Reach,
    ) -> Result<Chosen, Refusal> {
        let _turn = self.changing.lock().await;
        let (mut found, mut missing) = self.graves().select(id, selection);
        let gone = found.extract_if(.., |(place, _)| !reach.contains(&place.partition));
        let gone: Vec<_> = gone.map(|(place, record)| place.position(&record)).collect();
        if matches!(selection, Selection::Positions(_)) {
            missing.extend(gone);
        }
        found.retain(|(_, record)| record.state == LetterState::Dead);
        for (_, record) in &mut found {
            record.state = LetterState::Redriving;
        }
        let changes: Vec<TableChange> =
            found.iter().map(|(place, record)| record.put(id, *place)).collect();
        self.commit(changes).await.map_err(|error| refused(&error))?;
        self.put(id, &found);
        self.recorder.count(Counter::SettleRedriven, found.len() as u64);
        Ok(Chosen { letters: found.len() as u64, missing })
    }

    /// Redriven letters after a place, in offset order of each partition, and so of each key: at
    /// most so many, and so many bytes but for the first. One whose bytes are gone is left out.
    pub(crate) async fn redriven(
        &self,
        id: SubscriptionId,
        after: Option<Place>,
        (letters, bytes): (usize, u64),
    ) -> Result<Vec<Redriven>, Refusal> {
        let wanted = |(_, record): &(Place, Record)| record.state == LetterState::Redriving;
        let found: Vec<_> = self.graves().after(id, after).filter(wanted).take(letters).collect();
        let mut copies = Copies::of(&*self.log);
        let (mut redriven, mut size) = (Vec::with_capacity(found.len()), 0);
        for (place, record) in found {
            size += u64::from(record.bytes);
            if size > bytes && !redriven.is_empty() {
                break;
            }
            let about = place.partition.partition;
            let note = copies.note(about, record.copy).await;
            let sent = note.ok().flatten().map_or(0, |note| note.sent);
            match copies.event(about, record.copy).await {
                Ok(Some(event)) => {
                    redriven.push(Redriven { position: place.position(&record), event, sent });
                }
                Ok(None) | Err(ReadError::Trimmed { .. } | ReadError::DataLoss { .. }) => {}
                Err(error) => {
                    let code = tidings_event::Code::Internal;
                    return Err(Refusal::new(code, error.to_string()));
                }
            }
        }
        Ok(redriven)
    }

    /// The event of a redriven letter as if it were read from its topic; nothing when the letter or
    /// its bytes are gone.
    pub(crate) async fn stored(
        &self,
        id: SubscriptionId,
        partition: TopicPartition,
        offset: u64,
    ) -> Option<Committed> {
        let record = self.graves().get(id, Place { partition, offset })?;
        let mut copies = Copies::of(&*self.log);
        let about = partition.partition;
        let note = copies.note(about, record.copy).await.ok()??;
        let event = copies.event(about, record.copy).await.ok()??;
        let mut body = BodyBuilder::with_capacity(event.len() + 8);
        body.push(&event);
        let (body, count) = body.take();
        let header = BlockHeader {
            flags: Flags::default(),
            topic_partition: partition,
            epoch: record.epoch,
            term: self.log.term(),
            base_offset: Offset(offset),
            count,
            codec: 0,
            // An event has at most 1 MiB.
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body_crc: crc32c(&body),
            // When the topic took it in is not known any more.
            ingested_at: note.buried_at,
            producer: None,
            extensions: Bytes::new(),
        };
        Some(Committed { seq: JournalSeq(0), block: Block { header, body } })
    }

    /// Subscriptions that have letters on their way again.
    pub(crate) fn redriving(&self) -> Vec<SubscriptionId> {
        let graves = self.graves();
        let all = graves.subscriptions().into_iter();
        all.filter(|&id| graves.counts(id).redriving > 0).collect()
    }

    /// Whether a letter is on its way again.
    pub(crate) fn is_redriving(&self, id: SubscriptionId, place: Place) -> bool {
        let record = self.graves().get(id, place);
        record.is_some_and(|record| record.state == LetterState::Redriving)
    }

    /// What deletes the records of redriven letters that were settled; part of the commit that
    /// saves the cursors, after which [`Self::settled`] forgets them.
    pub(crate) fn settling(&self, id: SubscriptionId, settled: &[Place]) -> Vec<TableChange> {
        settled.iter().map(|place| record::delete(id, *place)).collect()
    }

    /// The records of redriven letters that were settled are durably gone.
    pub(crate) fn settled(&self, id: SubscriptionId, settled: Vec<Place>) {
        self.drop_all(id, settled);
    }
}
