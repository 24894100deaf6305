//! Finding out what a journal holds after any kind of stop.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use tidings_event::{Epoch, Term, TopicPartition};
use tidings_telemetry::{Counter, Recorder};

use super::context::list;
use super::group::{self, PAGE};
use super::index;
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
    pub(crate) epoch: Epoch,
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
    /// Segment files whose header is unreadable.
    pub(crate) unreadable: Vec<PathBuf>,
    /// Those of them that hold more than a header, and nothing that can be salvaged.
    pub(crate) lost: Vec<PathBuf>,
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
        let header = decoded.filter(|h| h.epoch == source.epoch.0 && h.journal == journal as u32);
        let salvage = if decoded.is_none() {
            salvage(&*file, (journal, number_of(&path), source.epoch))
                .map_err(OpenError::io(&path))?
        } else {
            None
        };
        found.push(Named { path, header: header.or(salvage), salvaged: salvage.is_some() });
    }
    Ok(found)
}

/// The header of a segment whose own is damaged, from its first group. A group is only ever written
/// behind a durable header, so that a segment without one was being created and holds nothing.
///
/// Only the first place will do: whoever publishes could put the likeness of a group further on.
fn salvage(
    file: &dyn DiskFile,
    (journal, number, epoch): (Journal, u32, Epoch),
) -> io::Result<Option<SegmentHeader>> {
    let group = group::read(file, PAGE as u64, file.len()?)?;
    Ok(group.map(|group| SegmentHeader {
        incompatible: 0,
        journal: journal as u32,
        number,
        epoch: epoch.0,
        term: Term(0),
        generation: group.generation,
        first_seq: group.seq + u64::from(group.mark),
        previous: End::default(),
        crc: group.previous_crc,
    }))
}

/// Writes what was judged to be the tail once more, and makes it durable.
///
/// It may be in the page cache only, and after a failed sync the system takes it for stored: then no
/// sync would store it. The bytes stay the same, so that tearing them changes nothing.
fn store_again(path: &Path, file: &dyn DiskFile, scan: &Scan) -> io::Result<()> {
    let durable = scan.groups.iter().map(|found| found.group.durable).max().unwrap_or_default();
    let tail: Vec<_> = scan.groups.iter().filter(|found| found.group.seq > durable).collect();
    let torn_bytes = file.len()?.saturating_sub(scan.end.position);
    if !tail.is_empty() || torn_bytes > 0 {
        // Kept and cut off: the process ended in the middle of something.
        let (file, kept_groups) = (path.display(), tail.len());
        tracing::info!(%file, kept_groups, torn_bytes, "a write was under way");
    }
    for found in tail {
        let mut bytes = vec![0; usize::try_from(found.group.total).map_err(io::Error::other)?];
        let at = u64::from(found.page) * PAGE as u64;
        file.read_exact_at(&mut bytes, at)?;
        file.write_all_at(&[IoSlice::new(&bytes)], at)?;
    }
    file.sync_data()
}

/// Recovers a journal. Everything it found is durable before this returns.
pub(crate) fn recover(
    source: Source<'_>,
    journal: Journal,
    tables: &Tables,
) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered::default();
    for (partition, trim) in tables.trims(journal) {
        let known = recovered.partitions.entry(partition).or_default();
        (known.trim, known.durable, known.tail) = (trim, trim, trim);
    }
    let files = named(source, journal)?;
    for (at, Named { path, header, salvaged }) in files.iter().enumerate() {
        recovered.highest = number_of(path).max(recovered.highest);
        if *salvaged || header.is_none() {
            tracing::warn!(file = %path.display(), salvaged, "segment header is unreadable");
            recovered.unreadable.push(path.clone());
        }
        let Some(header) = header else {
            let file = source.disk.open(path, OpenMode::Read).map_err(OpenError::io(path))?;
            // Groups are only written behind a durable header: this one was there.
            if file.len().map_err(OpenError::io(path))? > PAGE as u64 {
                tracing::error!(file = %path.display(), "a segment of the log is lost");
                recovered.lost.push(path.clone());
            }
            continue;
        };
        let accepted = files[at + 1..]
            .iter()
            .find_map(|next| next.header.map(|n| n.previous))
            .filter(|end| end.segment == header.number)
            .filter(|_| !source.options.sabotaged(Sabotage::ResurrectTail));
        let mode = if source.verify { OpenMode::Read } else { OpenMode::Write };
        let file = source.disk.open(path, mode).map_err(OpenError::io(path))?;
        let believed = accepted.filter(|_| !source.verify);
        let index = believed.and_then(|end| index::load(source.disk, path, header, end));
        let indexed = index.is_some();
        let mut scan = match index {
            Some(scan) => scan,
            None => Scanner {
                file: &*file,
                header: *header,
                salvaged: *salvaged,
                accepted,
                bodies: source.verify,
                swallow_gaps: source.options.sabotaged(Sabotage::SwallowGap)
                    || source.options.sabotaged(Sabotage::ResurrectTail) && at + 1 < files.len(),
            }
            .run()
            .map_err(OpenError::io(path))?,
        };
        if let Some(next) = files.get(at + 1).filter(|next| next.salvaged)
            && let Some(first) = next.header.map(|header| header.first_seq)
        {
            // Where it ends was on record in the damaged header; up to which sequence is known.
            scan.cut(first - 1);
        }
        let synced = source.verify || source.options.sabotaged(Sabotage::NoFsync);
        if accepted.is_none() && !synced {
            store_again(path, &*file, &scan).map_err(OpenError::io(path))?;
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
    Ok(recovered)
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
    for found in &scan.groups {
        if found.after_hole && !swallow {
            for (partition, end) in &found.group.echo {
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
