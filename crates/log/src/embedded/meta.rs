//! `log.meta`: the log's identity, and the term that grows at every open.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use tidings_event::block::crc32c;
use tidings_event::{Epoch, Term};

use super::context::{Context, is_no_room, list, read_file};
use super::fields::{Fields, Put};
use super::group::PAGE;
use super::options::OpenError;
use super::segment::SegmentHeader;
use crate::disk::{Disk, OpenMode};
use crate::partition_log::Journal;

const MAGIC: &[u8] = b"TLM1";
const BYTES: usize = 40;
pub(crate) const VERSION: u32 = 1;

/// Whose log it is, and how often it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) epoch: Epoch,
    pub(crate) term: Term,
    /// Tells this log from any other; 0 in logs that were made before there was one.
    pub(crate) log: u32,
}

/// What a data directory says of its identity.
pub(crate) struct Known {
    /// `None` when it is a new log.
    pub(crate) identity: Option<Identity>,
    /// Whether `log.meta` did not say so, but the segments.
    pub(crate) rebuilt: bool,
}

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("log.meta")
}

/// Finds out the identity and makes the next term durable; starts a new log in an empty directory.
pub(crate) fn advance(context: &Context) -> Result<Identity, OpenError> {
    let path = path(&context.dir);
    let known = find(&*context.disk, &context.dir)?;
    if known.rebuilt {
        tracing::error!(file = %path.display(), "damaged: made anew from the segments");
    }
    let wall = context.clock.wall().0;
    // Folded, so that logs of one moment differ as much as those of one day.
    let log = ((wall ^ wall >> 32) as u32).max(1);
    let last = known.identity.unwrap_or(Identity { epoch: Epoch(1), term: Term(0), log });
    let identity = Identity { term: Term(last.term.0 + 1), ..last };
    store(context, &path, identity).map_err(OpenError::io(&path))?;
    Ok(identity)
}

/// Makes an identity durable. Without room for another file it is written over the one before: one sector
/// is stored whole or not at all, and were it damaged the segments say as much.
fn store(context: &Context, path: &Path, identity: Identity) -> io::Result<()> {
    let bytes = encode(identity);
    match context.replace(path, &bytes) {
        Err(error) if is_no_room(&error) => {}
        done => return done,
    }
    context.remove(&path.with_extension("tmp"))?;
    let file = context.disk.open(path, OpenMode::Write)?;
    file.write_all_at(&[IoSlice::new(&bytes)], 0)?;
    context.sync(&*file)
}

/// Looks for the identity in `log.meta` and in the headers of the segments. The file may be damaged,
/// or another's, or older than the log: most of them decide whose log it is, the highest its term.
pub(crate) fn find(disk: &dyn Disk, dir: &Path) -> Result<Known, OpenError> {
    let path = path(dir);
    let stored = read_file(disk, &path).map_err(OpenError::io(&path))?;
    let (said, damaged) = match stored.map(|bytes| decode(&path, &bytes)) {
        Some(Ok(identity)) => (Some(identity), None),
        Some(Err(error @ OpenError::Damaged { .. })) => (None, Some(error)),
        Some(Err(other)) => return Err(other),
        None => (None, None),
    };
    let seen = headers(disk, dir)?;
    let of = |log: u32| seen.iter().filter(|i| i.log == log).count() * 2;
    let votes = |i: &Identity| of(i.log) + usize::from(said.is_some_and(|s| s.log == i.log));
    let Some(most) = seen.iter().chain(&said).copied().max_by_key(votes) else {
        if damaged.is_none() && !has_journals(disk, dir)? {
            return Ok(Known { identity: None, rebuilt: false });
        }
        let reason = "missing or damaged, and no segment says whose log it is";
        return Err(damaged.unwrap_or(OpenError::Damaged { file: path, reason }));
    };
    let mine = seen.iter().chain(&said).filter(|i| i.log == most.log);
    let term = mine.map(|i| i.term).max().unwrap_or(most.term);
    let identity = Identity { term, ..most };
    Ok(Known { identity: Some(identity), rebuilt: said != Some(identity) })
}

/// What the headers of all segments say, as far as they can be read.
fn headers(disk: &dyn Disk, dir: &Path) -> Result<Vec<Identity>, OpenError> {
    let mut found = vec![];
    for journal in Journal::TOPICS.into_iter().chain([Journal::State]) {
        let dir = dir.join(journal.name());
        for path in list(disk, &dir).map_err(OpenError::io(&dir))? {
            if path.extension().is_none_or(|extension| extension != "seg") {
                continue;
            }
            let file = disk.open(&path, OpenMode::Read).map_err(OpenError::io(&path))?;
            let mut page = [0; PAGE];
            if file.read_exact_at(&mut page, 0).is_err() {
                continue;
            }
            let header = SegmentHeader::decode(&page).filter(|h| h.journal == journal as u32);
            found.extend(header.map(|h| Identity {
                epoch: Epoch(h.epoch),
                term: h.term,
                log: h.log,
            }));
        }
    }
    Ok(found)
}

fn has_journals(disk: &dyn Disk, dir: &Path) -> Result<bool, OpenError> {
    let names = list(disk, dir).map_err(OpenError::io(dir))?;
    Ok(names.iter().any(|name| name.ends_with("state")))
}

fn encode(identity: Identity) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.put_u32(VERSION);
    // Feature words: compatible, read-only compatible, incompatible.
    out.extend_from_slice(&[0; 12]);
    out.put_u32(identity.epoch.0);
    out.put_u64(identity.term.0);
    out.put_u32(identity.log);
    let crc = crc32c(&out);
    out.put_u32(crc);
    out
}

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Identity, OpenError> {
    let damaged = |reason| OpenError::Damaged { file: path.to_owned(), reason };
    let sound = bytes.len() == BYTES && bytes.starts_with(MAGIC);
    if !sound || bytes[BYTES - 4..] != crc32c(&bytes[..BYTES - 4]).to_le_bytes() {
        return Err(damaged("checksum does not fit; restore the file from a backup"));
    }
    let mut fields = Fields(&bytes[4..]);
    let cut = || damaged("cut off");
    let version = fields.u32().ok_or_else(cut)?;
    fields.bytes(8).ok_or_else(cut)?;
    let incompatible = fields.u32().ok_or_else(cut)?;
    if version != VERSION || incompatible != 0 {
        let bits = if incompatible == 0 { version } else { incompatible };
        return Err(OpenError::Feature { file: path.to_owned(), bits });
    }
    let epoch = Epoch(fields.u32().ok_or_else(cut)?);
    let term = Term(fields.u64().ok_or_else(cut)?);
    Ok(Identity { epoch, term, log: fields.u32().ok_or_else(cut)? })
}

#[cfg(test)]
mod tests;
