//! The durable form of last values: parts in a table, and how far each journal was read.
//!
//! Parts are written first, the journals' sequences last. A crash in between leaves newer parts
//! under older sequences: the next start reads more of the log than it must, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use bytes::{Buf, BufMut, Bytes};
use tidings_event::{Epoch, JournalSeq, Offset, PartitionId, Position, TopicId};
use tidings_log::{CommitError, Journal, PartitionLog, PendingError, Table, TableChange};

use super::store::{Arrival, Store};

const VERSION: u8 = 1;
const META: &[u8] = b"meta";
/// Into how many parts things are divided; the store is locked for one part at a time.
const PARTS: u64 = 64;
/// Most bytes of a value.
const VALUE_BYTES: usize = 768 << 10;

/// Why a snapshot could not be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SaveError {
    /// The log refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The log failed.
    #[error(transparent)]
    Pending(#[from] PendingError),
}

/// Saves everything that is in the store, and then that `seen` is.
pub(crate) async fn save<G: Deref<Target = Store>>(
    log: &dyn PartitionLog,
    store: impl Fn() -> G,
    seen: &BTreeMap<Journal, JournalSeq>,
) -> Result<(), SaveError> {
    let meta = encode_seen(seen);
    if log.get(Table::LAST_VALUES, META).is_some_and(|stored| stored == meta) {
        return Ok(());
    }
    let mut kept = BTreeSet::new();
    for part in 0..PARTS {
        let values = encode_part(&store(), part);
        for (number, value) in (0u32..).zip(values) {
            let key = part_key(part, number);
            kept.insert(key.clone());
            put(log, key, Some(value)).await?;
        }
    }
    put(log, Bytes::from_static(META), Some(meta)).await?;
    for key in log.table(Table::LAST_VALUES).into_keys() {
        if key != META && !kept.contains(&key) {
            put(log, key, None).await?;
        }
    }
    Ok(())
}

/// Loads the last snapshot; says how far each journal had been read.
pub(crate) fn load(log: &dyn PartitionLog, store: &mut Store) -> BTreeMap<Journal, JournalSeq> {
    let Some(seen) = log.get(Table::LAST_VALUES, META).and_then(|meta| decode_seen(&meta)) else {
        return BTreeMap::new();
    };
    for (key, value) in log.table(Table::LAST_VALUES) {
        if key != META && decode_part(&value, store).is_none() {
            // Not readable: then everything is read from the log again.
            return BTreeMap::new();
        }
    }
    seen
}

async fn put(log: &dyn PartitionLog, key: Bytes, value: Option<Bytes>) -> Result<(), SaveError> {
    let change = TableChange { table: Table::LAST_VALUES, key, value };
    log.commit(log.term(), vec![change])?.await?;
    Ok(())
}

fn part_key(part: u64, number: u32) -> Bytes {
    let mut key = Vec::with_capacity(12);
    key.put_u64(part);
    key.put_u32(number);
    key.into()
}

/// `version, { u32 tenant bytes, tenant, position, u32 event bytes, event }`, as many values as
/// it takes.
fn encode_part(store: &Store, part: u64) -> Vec<Bytes> {
    let mut values = Vec::new();
    let mut value = vec![VERSION];
    for (tenant, entry) in store.part(part, PARTS) {
        let p = &entry.position;
        // Both are limited far below 4 GiB.
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        if value.len() + entry.event.len() > VALUE_BYTES && value.len() > 1 {
            values.push(std::mem::replace(&mut value, vec![VERSION]).into());
        }
        if entry.event.len() > VALUE_BYTES {
            // Larger than a commit takes; the log has it.
            continue;
        }
        value.put_u32_le(length(tenant.len()));
        value.put_slice(tenant.as_bytes());
        value.put_u64_le(p.topic.0);
        value.put_u32_le(p.epoch.0);
        value.put_u32_le(p.partition.0);
        value.put_u64_le(p.offset.0);
        value.put_u32_le(length(entry.event.len()));
        value.put_slice(&entry.event);
    }
    if value.len() > 1 {
        values.push(value.into());
    }
    values
}

fn decode_part(value: &[u8], store: &mut Store) -> Option<()> {
    let mut rest = value;
    if rest.try_get_u8().ok()? != VERSION {
        return None;
    }
    while !rest.is_empty() {
        let tenant = std::str::from_utf8(slice(&mut rest)?).ok()?;
        let position = Position {
            topic: TopicId(rest.try_get_u64_le().ok()?),
            epoch: Epoch(rest.try_get_u32_le().ok()?),
            partition: PartitionId(rest.try_get_u32_le().ok()?),
            offset: Offset(rest.try_get_u64_le().ok()?),
        };
        let event = slice(&mut rest)?;
        let envelope = tidings_event::scan(event).ok()?;
        store.put(tenant, &envelope, Arrival { position, event });
    }
    Some(())
}

fn slice<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    let (front, back) = rest.split_at_checked(length)?;
    *rest = back;
    Some(front)
}

fn encode_seen(seen: &BTreeMap<Journal, JournalSeq>) -> Bytes {
    let mut out = vec![VERSION];
    for journal in Journal::TOPICS {
        out.put_u64_le(seen.get(&journal).map_or(0, |seq| seq.0));
    }
    out.into()
}

fn decode_seen(bytes: &[u8]) -> Option<BTreeMap<Journal, JournalSeq>> {
    let mut rest = bytes;
    if rest.try_get_u8().ok()? != VERSION {
        return None;
    }
    let mut seen = BTreeMap::new();
    for journal in Journal::TOPICS {
        seen.insert(journal, JournalSeq(rest.try_get_u64_le().ok()?));
    }
    rest.is_empty().then_some(seen)
}
