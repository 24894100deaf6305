//! Sending letters on their way again: they are marked, durably, and handed to whoever delivers.

use std::sync::Arc;

use tidings_catalog::SubscriptionId;
use tidings_event::Refusal;
use tidings_log::{ReadError, TableChange};
use tidings_telemetry::Counter;

use super::copy::Copies;
use super::dead_letters::{DeadLetters, refused};
use super::letter::{Chosen, LetterState, Redriven, Selection};
use super::record::{self, Place, Record};

impl DeadLetters {
    /// Marks letters as redriven. They stay until they are settled, over restarts too.
    pub(crate) async fn redrive(
        self: &Arc<Self>,
        id: SubscriptionId,
        selection: Selection,
    ) -> Result<Chosen, Refusal> {
        let store = Arc::clone(self);
        self.run(async move { store.mark(id, &selection).await }).await
    }

    async fn mark(&self, id: SubscriptionId, selection: &Selection) -> Result<Chosen, Refusal> {
        let _turn = self.changing.lock().await;
        let (mut found, missing) = self.graves().select(id, selection);
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
            match copies.event(place.partition.partition, record.copy).await {
                Ok(Some(event)) => {
                    redriven.push(Redriven { position: place.position(&record), event });
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
