//! Producers that are connected: their epochs, granted and fenced.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tidings_catalog::Topic;
use tidings_event::{Code, PartitionId, Refusal};
use tidings_log::{Table, TableChange};

use crate::admit::Admission;
use crate::producers::fenced;
use crate::records;
use crate::refuse;

/// What a producer was granted.
#[derive(Clone, Debug)]
pub struct ProducerGrant {
    /// Its epoch.
    pub epoch: u32,
    /// The next sequence of each partition it has written in this epoch; any other starts at 0.
    pub sequences: Vec<(Arc<Topic>, PartitionId, u64)>,
}

#[derive(Default)]
struct Connected {
    count: usize,
    epoch: Arc<AtomicU32>,
}

/// Who is connected now.
#[derive(Default)]
pub(crate) struct Connections(Mutex<HashMap<[u8; 16], Connected>>);

impl Connections {
    pub(crate) fn holds(&self, id: &[u8; 16]) -> bool {
        self.map().contains_key(id)
    }

    fn map(&self) -> MutexGuard<'_, HashMap<[u8; 16], Connected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, id: [u8; 16], epoch: u32) -> Arc<AtomicU32> {
        let mut map = self.map();
        let connected = map.entry(id).or_default();
        connected.count += 1;
        connected.epoch.fetch_max(epoch, Ordering::SeqCst);
        Arc::clone(&connected.epoch)
    }

    fn disconnect(&self, id: &[u8; 16]) {
        let mut map = self.map();
        if let Some(connected) = map.get_mut(id) {
            connected.count -= 1;
            if connected.count == 0 {
                map.remove(id);
            }
        }
    }
}

/// A connected producer; it stays so until this is dropped.
pub struct Producer {
    pub(crate) tenant: String,
    pub(crate) id: [u8; 16],
    pub(crate) fresh: bool,
    grant: ProducerGrant,
    newest: Arc<AtomicU32>,
    connections: Arc<Connections>,
}

impl Producer {
    /// What it was granted.
    #[must_use]
    pub fn grant(&self) -> &ProducerGrant {
        &self.grant
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.grant.epoch
    }

    /// Refuses it when a newer epoch was granted.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let newest = self.newest.load(Ordering::SeqCst);
        if newest > self.grant.epoch { Err(fenced(self.grant.epoch, newest)) } else { Ok(()) }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.connections.disconnect(&self.id);
    }
}

impl Admission {
    /// Connects a producer. Without an epoch it gets a new one that fences every earlier; with the
    /// newest one it goes on where it was.
    ///
    /// # Errors
    /// `PRODUCER_ID_INVALID`; `PRODUCER_FENCED` for an older epoch; `PRODUCER_UNKNOWN` for one that
    /// was never granted; what the log refuses.
    pub async fn open_producer(
        &self,
        tenant: &str,
        producer_id: &str,
        epoch: Option<u32>,
    ) -> Result<Producer, Refusal> {
        check_id(producer_id)?;
        let _turn = self.granting.lock().await;
        let key = records::epoch_key(tenant, producer_id);
        let stored = self.log.get(Table::PRODUCERS, &key);
        let newest = stored
            .map(|value| records::epoch(&value))
            .transpose()
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let granted = match (epoch, newest) {
            (None, newest) => self.grant_next(key, newest.unwrap_or(0)).await?,
            (Some(epoch), Some(newest)) if epoch == newest => epoch,
            (Some(epoch), Some(newest)) if epoch < newest => return Err(fenced(epoch, newest)),
            (Some(epoch), _) => {
                let detail = format!("epoch {epoch} of `{producer_id}` was not granted here");
                return Err(
                    Refusal::new(Code::ProducerUnknown, detail).with_hint("open without one")
                );
            }
        };
        let id = stamp_id(tenant, producer_id);
        let newest = self.connections.connect(id, granted);
        let mut producer = Producer {
            tenant: tenant.to_owned(),
            id,
            fresh: epoch.is_none(),
            grant: ProducerGrant { epoch: granted, sequences: Vec::new() },
            newest,
            connections: Arc::clone(&self.connections),
        };
        if epoch.is_some() {
            producer.grant.sequences = self.sequences(&producer).await?;
        }
        Ok(producer)
    }

    async fn grant_next(&self, key: Bytes, newest: u32) -> Result<u32, Refusal> {
        let Some(next) = newest.checked_add(1) else {
            return Err(Refusal::new(Code::ProducerLimit, "no epoch is left: use another id"));
        };
        let value = Some(records::put_epoch(next));
        let change = TableChange { table: Table::PRODUCERS, key, value };
        let pending =
            self.log.commit(self.log.term(), vec![change]).map_err(|e| refuse::commit(&e))?;
        pending.await.map_err(|_| refuse::unknown_outcome())?;
        Ok(next)
    }

    /// The next sequences of a producer, once everything below them is durable.
    async fn sequences(
        &self,
        producer: &Producer,
    ) -> Result<Vec<(Arc<Topic>, PartitionId, u64)>, Refusal> {
        let mut sequences = Vec::new();
        let mut waits = Vec::new();
        self.use_seeds();
        for route in self.routes.all() {
            if route.topic.name.tenant() != producer.tenant {
                continue;
            }
            for (partition, cell) in route.cells.used() {
                if let Some(state) = cell.producers.states.get(&producer.id)
                    && state.epoch == producer.grant.epoch
                {
                    sequences.push((Arc::clone(&route.topic), partition, state.next));
                    waits.extend(cell.newest());
                }
            }
        }
        for durable in waits {
            durable.await.map_err(|_| refuse::unknown_outcome())?;
        }
        Ok(sequences)
    }
}

/// The stamp of a producer: the first 16 bytes of SHA-256 of its tenant, `/` and id.
pub(crate) fn stamp_id(tenant: &str, producer_id: &str) -> [u8; 16] {
    let hash =
        Sha256::new_with_prefix(tenant).chain_update("/").chain_update(producer_id).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id
}

fn check_id(text: &str) -> Result<(), Refusal> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    let detail = format!("`{shown}` does not match [A-Za-z0-9._-]{{1,64}}");
    Err(Refusal::new(Code::ProducerIdInvalid, detail).at_field("producer_id"))
}
