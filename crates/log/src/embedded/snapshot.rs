//! Snapshots of the tables: `state/snapshot-<seq>`, so that replay is short and segments can go.

use std::io;
use std::path::{Path, PathBuf};

use tidings_event::Offset;
use tidings_event::block::crc32c;

use super::context::{is_no_room, list, read_file};
use super::fields::{Fields, Put, short};
use super::journal::JournalStore;
use super::tables::{INTERNAL, Tables, decode_change, encode_change};
use crate::disk::Disk;
use crate::partition_log::{Table, TableChange};

const MAGIC: &[u8] = b"TSN1";
/// Whose snapshot it is: a record like the others, and no table.
const LOG: Table = Table(INTERNAL + 4);
const LOG_KEY: &[u8] = b"log";
/// The newest and one to fall back to.
const KEPT: usize = 2;

/// Snapshots in the state directory, oldest first, by the sequence they hold.
pub(crate) fn files(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let seq_of = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix("snapshot-")?.parse().ok()
    };
    Ok(list(disk, dir)?.into_iter().filter_map(|path| Some((seq_of(&path)?, path))).collect())
}

/// Loads the newest sound snapshot of a log. Says which were damaged, or another's.
pub(crate) fn load(
    disk: &dyn Disk,
    dir: &Path,
    (tables, log): (&Tables, u32),
) -> io::Result<Vec<PathBuf>> {
    let mut damaged = vec![];
    for (seq, path) in files(disk, dir)?.into_iter().rev() {
        let bytes = read_file(disk, &path)?.unwrap_or_default();
        if let Some((tail, changes)) = decode((seq, log), &bytes) {
            tables.load(seq, tail, changes);
            break;
        }
        tracing::error!(file = %path.display(), "snapshot is damaged, falling back");
        damaged.push(path);
    }
    Ok(damaged)
}

fn encode(tables: &Tables, log: u32) -> (u64, Vec<u8>) {
    let inner = tables.read();
    let mut out = MAGIC.to_vec();
    out.put_u32(1);
    // Feature words: compatible, read-only compatible, incompatible.
    out.extend_from_slice(&[0; 12]);
    out.put_u64(inner.seq);
    out.put_u64(inner.tail.0);
    let log = Some(log.to_le_bytes()).filter(|log| *log != [0; 4]);
    if let Some(log) = &log {
        let record = encode_change((LOG, LOG_KEY, Some(log)));
        out.put_u32(short(record.len()));
        out.extend_from_slice(&record);
    }
    for (table, entries) in &inner.maps {
        for (key, value) in entries.iter() {
            let record = encode_change((*table, key, Some(value)));
            out.put_u32(short(record.len()));
            out.extend_from_slice(&record);
        }
    }
    let crc = crc32c(&out);
    out.put_u32(crc);
    (inner.seq, out)
}

fn decode((want, log): (u64, u32), bytes: &[u8]) -> Option<(Offset, Vec<TableChange>)> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c(content).to_le_bytes() != *crc {
        return None;
    }
    let mut fields = Fields(content.strip_prefix(MAGIC)?);
    let version = fields.u32()?;
    fields.bytes(8)?;
    let (incompatible, seq, tail) = (fields.u32()?, fields.u64()?, fields.u64()?);
    if version != 1 || incompatible != 0 || seq != want {
        return None;
    }
    let mut changes = vec![];
    while !fields.0.is_empty() {
        let length = fields.u32()? as usize;
        let change = decode_change(fields.bytes(length)?)?;
        if change.table != LOG {
            changes.push(change);
        } else if log != 0 && change.value.as_deref() != Some(&log.to_le_bytes()) {
            return None;
        }
    }
    Some((Offset(tail), changes))
}

impl JournalStore {
    /// Takes a snapshot when enough has changed since the last one.
    pub(crate) fn snapshot_when_due(&self) -> io::Result<()> {
        let due = self.tables.read().bytes >= self.context.options.snapshot_bytes;
        match if due { self.snapshot() } else { Ok(()) } {
            Err(error) if is_no_room(&error) => {
                tracing::warn!(%error, "no snapshot: it is taken when there is room");
                Ok(())
            }
            other => other,
        }
    }

    /// Takes a snapshot, then removes what only older ones needed.
    pub(crate) fn snapshot(&self) -> io::Result<()> {
        if self.tables.read().bytes == 0 {
            return Ok(());
        }
        let context = &self.context;
        let (seq, bytes) = encode(&self.tables, self.identity.log);
        context.replace(&self.dir.join(format!("snapshot-{seq:020}")), &bytes)?;
        self.tables.snapshot_taken();
        let mut snapshots = files(&*context.disk, &self.dir)?;
        let kept = snapshots.split_off(snapshots.len().saturating_sub(KEPT));
        for (_, old) in &snapshots {
            context.remove(old)?;
        }
        // One snapshot alone may be damaged: what it replaces is kept until there are two.
        let floor = kept.first().filter(|_| kept.len() == KEPT).map_or(0, |(seq, _)| *seq);
        self.remove_segments(|segment| segment.last_seq <= floor)
    }
}

#[cfg(test)]
mod tests;
