//! Finding out what a journal holds after any kind of stop.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_event::{Term, TopicPartition};
use tidings_telemetry::{Counter, Recorder};

use super::context::{is_no_room, list};
use super::group::{self, Ends, PAGE};
use super::index;
use super::leftover::Leftover;
use super::meta::Identity;
use super::options::{EmbeddedOptions, OpenError, Sabotage};
use super::partitions::{BlockRef, Partitions};
use super::scan::{Scan, Scanner};
use super::segment::{End, Segment, SegmentHeader};
use super::tables::Tables;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::partition_log::Journal;

/// The partition that state records are in.
pub(crate) const STATE: TopicPartition = TopicPartition::new(0, 0);

/// Where to recover from, and how.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    pub(crate) options: &'a EmbeddedOptions,
    pub(crate) recorder: &'a Recorder,
    pub(crate) identity: Identity,
    /// Whether every body is read, and nothing is written.
    pub(crate) verify: bool,
}

/// What a journal holds.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(crate) partitions: Partitions,
    pub(crate) segments: BTreeMap<u32, Segment>,
    pub(crate) last_seq: u64,
    /// Where the last readable segment ends.
    pub(crate) end: End,
    /// Highest segment number in use.
    pub(crate) highest: u32,
    /// Acknowledged groups that are lost.
    pub(crate) missing: u64,
    /// Groups and blocks found.
    pub(crate) counted: (u64, u64),
    /// Segment files whose header is damaged.
    pub(crate) unreadable: Vec<PathBuf>,
    /// What is to be stored once more before a segment is begun.
    pub(crate) leftovers: Vec<Leftover>,
}

/// A segment file as it was found.
struct Named {
    path: PathBuf,
    /// `None` where it is unreadable and nothing is behind it.
    header: Option<SegmentHeader>,
    /// Whether the header was rebuilt from what is behind it.
    salvaged: bool,
}

/// Segment files of a journal, in order.
fn named(source: Source<'_>, journal: Journal) -> Result<Vec<Named>, OpenError> {
    let dir = source.dir.join(journal.name());
    let mut found = vec![];
    for path in list(source.disk, &dir).map_err(OpenError::io(&dir))? {
        if path.extension().is_none_or(|e| e != "seg") {
            continue;
        }
        let file = source.disk.open(&path, OpenMode::Read).map_err(OpenError::io(&path))?;
        let mut page = vec![0; PAGE];
        let read = file.read_exact_at(&mut page, 0);
        let decoded = SegmentHeader::decode(&page).filter(|_| read.is_ok());
        if let Some(header) = decoded.filter(|h| h.incompatible != 0) {
            return Err(OpenError::Feature { file: path, bits: header.incompatible });
        }
        let header = decoded.filter(|h| is_of(h, source.identity, journal));
        let salvage = if decoded.is_none() {
            salvage(&*file, (journal, number_of(&path), source.identity))
                .map_err(OpenError::io(&path))?
        } else {
            None
        };
        found.push(Named { path, header: header.or(salvage), salvaged: salvage.is_some() });
    }
    in_order(&mut found);
    Ok(found)
}

/// Whether a segment belongs to this journal of this log.
fn is_of(header: &SegmentHeader, identity: Identity, journal: Journal) -> bool {
    let unnamed = header.log == 0 || identity.log == 0;
    header.epoch == identity.epoch.0
        && header.journal == journal as u32
        && (unnamed || header.log == identity.log)
}

/// Orders segments by what their headers say, whatever they are called; of two with one number the
/// one that is called so counts.
fn in_order(found: &mut [Named]) {
    for at in 0..found.len() {
        let Some(header) = found[at].header else { continue };
        let is_called_so = number_of(&found[at].path) == header.number;
        let twin = |other: &Named| other.header.is_some_and(|h| h.number == header.number);
        if !is_called_so && found.iter().filter(|other| twin(other)).count() > 1 {
            found[at].header = None;
        }
    }
    found.sort_by_key(|named| named.header.map_or(number_of(&named.path), |h| h.number));
}

/// The header of a segment whose own is damaged, from its first group. A group is only ever written
/// behind a durable header, so that a segment without one was being created and holds nothing.
///
/// Only the first place will do: whoever publishes could put the likeness of a group further on.
fn salvage(
    file: &dyn DiskFile,
    (journal, number, identity): (Journal, u32, Identity),
) -> io::Result<Option<SegmentHeader>> {
    let group = group::read(file, PAGE as u64, file.len()?)?;
    Ok(group.map(|group| SegmentHeader {
        incompatible: 0,
        journal: journal as u32,
        number,
        epoch: identity.epoch.0,
        term: Term(0),
        generation: group.generation,
        first_seq: group.seq + u64::from(group.mark),
        previous: End::default(),
        log: identity.log,
        written_before: 0,
        crc: group.previous_crc,
    }))
}

/// Whether the segment after this one says that this one was there. A header that was rebuilt does not say what was
/// before it.
fn named_later(path: &Path, later: &[Named]) -> bool {
    let next = later.iter().find_map(|next| Some((next.header?, next.salvaged)));
    next.is_some_and(|(header, salvaged)| salvaged || header.previous.segment == number_of(path))
}

/// Recovers a journal. Everything it found is durable before this returns, but for leftovers that there is no room for.
pub(crate) fn recover(
    source: Source<'_>,
    journal: Journal,
    tables: &Tables,
) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered::trimmed(journal, tables);
    let files = named(source, journal)?;
    for (at, Named { path, header, salvaged }) in files.iter().enumerate() {
        let number = header.map_or(0, |header| header.number);
        recovered.highest = number_of(path).max(number).max(recovered.highest);
        let Some(header) = header else {
            let known = named_later(path, &files[at + 1..]);
            recovered.miss(source.disk, path, known).map_err(OpenError::io(path))?;
            continue;
        };
        if *salvaged {
            tracing::warn!(file = %path.display(), "segment header was damaged");
            recovered.unreadable.push(path.clone());
        }
        let before = match recovered.segments.is_empty() {
            // Retention removed what was before the first; of state records a snapshot holds it.
            true => (journal == Journal::State).then(|| tables.read().seq),
            false => Some(recovered.last_seq),
        };
        recovered.pass_over(before, header.first_seq.saturating_sub(1));
        let accepted = files[at + 1..]
            .iter()
            .find_map(|next| next.header.map(|n| n.previous))
            .filter(|end| end.segment == header.number)
            .filter(|_| !source.options.sabotaged(Sabotage::ResurrectTail));
        let mode = if source.verify { OpenMode::Read } else { OpenMode::Write };
        let file = source.disk.open(path, mode).map_err(OpenError::io(path))?;
        let index = accepted.and_then(|end| index::load(source.disk, path, header, end));
        let indexed = index.is_some();
        let scanner = Scanner {
            file: &*file,
            header: *header,
            salvaged: *salvaged,
            accepted,
            bodies: source.verify,
            swallow_gaps: source.options.sabotaged(Sabotage::SwallowGap)
                || source.options.sabotaged(Sabotage::ResurrectTail) && at + 1 < files.len(),
        };
        let mut scan = match index {
            Some(scan) if !source.verify => scan,
            Some(scan) => scan.held_against(scanner.run().map_err(OpenError::io(path))?),
            None => scanner.run().map_err(OpenError::io(path))?,
        };
        if let Some(next) = files.get(at + 1).filter(|next| next.salvaged)
            && let Some(first) = next.header.map(|header| header.first_seq)
        {
            // Where it ends was on record in the damaged header; up to which sequence is known.
            scan.cut(first - 1);
        }
        let synced = source.verify || source.options.sabotaged(Sabotage::NoFsync);
        if accepted.is_none() && !synced {
            recovered.store(path, &file, &scan).map_err(OpenError::io(path))?;
        }
        let segment = Segment {
            header: *header,
            file,
            path: path.clone(),
            groups: vec![],
            bytes: scan.end.position,
            last_seq: scan.end.seq,
            live: 0,
            indexed: indexed || !scan.is_sound(),
        };
        fold(source, &mut recovered, segment, &scan, tables);
    }
    if journal == Journal::State {
        recovered.reach(tables);
    } else if let Some((seq, ends)) = tables.ends(journal) {
        recovered.reach_stop(seq, &ends, tables);
    }
    Ok(recovered)
}

impl Recovered {
    /// Nothing yet but trim points.
    fn trimmed(journal: Journal, tables: &Tables) -> Self {
        let mut recovered = Self::default();
        for (partition, trim) in tables.trims(journal) {
            let known = recovered.partitions.entry(partition).or_default();
            (known.trim, known.durable, known.tail) = (trim, trim, trim);
        }
        recovered
    }

    /// Stores what the process before may not have, or keeps it until there is room to.
    fn store(&mut self, path: &Path, file: &Arc<dyn DiskFile>, scan: &Scan) -> io::Result<()> {
        let leftover = Leftover::of(path.to_owned(), Arc::clone(file), scan)?;
        leftover.tell();
        match leftover.store() {
            Err(error) if is_no_room(&error) => {
                leftover.sync()?;
                self.leftovers.push(leftover);
                Ok(())
            }
            stored => stored,
        }
    }

    /// Takes note of a segment whose header is unreadable. Groups are only written behind a durable header, and the
    /// next segment names this one when it had one: otherwise it was being made, and holds nothing.
    fn miss(&mut self, disk: &dyn Disk, path: &Path, named_later: bool) -> io::Result<()> {
        let had_groups = disk.open(path, OpenMode::Read)?.len()? > PAGE as u64;
        if had_groups || named_later {
            tracing::error!(file = %path.display(), "a segment of the log is lost");
            self.unreadable.push(path.to_owned());
        }
        Ok(())
    }

    /// Groups between two segments are lost with the segments that they were in.
    fn pass_over(&mut self, before: Option<u64>, seq: u64) {
        if let Some(groups) = before.and_then(|before| seq.checked_sub(before)).filter(|n| *n > 0) {
            tracing::error!(groups, "segments of the log are missing");
            self.missing += groups;
        }
    }

    /// Ends no earlier than at the last clean stop: what was there then and is not now is lost.
    fn reach_stop(&mut self, seq: u64, ends: &Ends, tables: &Tables) {
        for (partition, end) in ends.iter().filter(|(id, _)| tables.is_kept(id.topic)) {
            self.partitions.entry(*partition).or_default().lose_up_to(end.0);
        }
        if seq > self.last_seq {
            tracing::error!(groups = seq - self.last_seq, "the end of the log is missing");
            self.missing += seq - self.last_seq;
            self.last_seq = seq;
        }
        self.end.seq = self.end.seq.max(seq);
    }

    /// Goes on behind what a snapshot holds, also where the records that it was made from are lost:
    /// what is committed at their numbers would be taken for theirs.
    fn reach(&mut self, tables: &Tables) {
        let (seq, tail) = {
            let inner = tables.read();
            (inner.seq, inner.tail.0)
        };
        if seq > self.last_seq {
            self.missing += seq - self.last_seq;
            self.last_seq = seq;
        }
        self.end.seq = self.end.seq.max(seq);
        let state = self.partitions.entry(STATE).or_default();
        if tail > state.tail {
            (state.durable, state.tail) = (tail, tail);
        }
    }
}

fn number_of(path: &Path) -> u32 {
    path.file_stem().and_then(|n| n.to_str()?.parse().ok()).unwrap_or_default()
}

/// Takes a segment's groups into the partitions.
fn fold(
    source: Source<'_>,
    recovered: &mut Recovered,
    mut segment: Segment,
    scan: &Scan,
    tables: &Tables,
) {
    let swallow = source.options.sabotaged(Sabotage::SwallowGap);
    let mut holed = recovered.missing > 0;
    for found in &scan.groups {
        holed |= found.after_hole;
        if holed && !swallow {
            let echo = found.group.echo.iter().filter(|(id, _)| tables.is_kept(id.topic));
            for (partition, end) in echo {
                recovered.partitions.entry(*partition).or_default().lose_up_to(end.0);
            }
        }
        for (at, header) in found.group.headers.iter().enumerate() {
            if !tables.is_kept(header.topic_partition.topic) {
                continue;
            }
            let block = BlockRef::new(header, segment.header.number, found.page);
            let partition = recovered.partitions.entry(header.topic_partition).or_default();
            if header.topic_partition == STATE && partition.tail == 0 {
                // What is older is in a snapshot.
                (partition.durable, partition.tail) = (block.base, block.base);
            }
            if swallow {
                partition.durable = partition.durable.max(header.base_offset.0);
            }
            let damaged = found.damaged.contains(&at);
            source.recorder.count(Counter::LogDamaged, u64::from(damaged));
            segment.live += usize::from(partition.restore(block, damaged));
        }
        let blocks = found.group.headers.len() as u64;
        recovered.counted = (recovered.counted.0 + 1, recovered.counted.1 + blocks);
        if !found.group.mark {
            segment.groups.push((found.group.seq, found.page));
        }
    }
    recovered.missing += scan.missing;
    if scan.missing > 0 {
        let file = segment.path.display().to_string();
        tracing::error!(file, groups = scan.missing, "acknowledged groups are damaged");
        source.recorder.count(Counter::LogDamaged, scan.missing);
    }
    recovered.last_seq = recovered.last_seq.max(segment.last_seq);
    recovered.end = segment.end();
    recovered.segments.insert(segment.header.number, segment);
}
