//! Verifying a data directory offline: every segment, group, block and snapshot.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_event::{Offset, TopicPartition};
use tidings_telemetry::Recorder;

use super::meta::Identity;
use super::options::{EmbeddedOptions, OpenError};
use super::recovery::{Recovered, Source, recover};
use super::tables::Tables;
use super::{meta, snapshot};
use crate::disk::Disk;
use crate::partition_log::Journal;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Segment files.
    pub segments: u64,
    /// Groups in them, marks included.
    pub groups: u64,
    /// Blocks in those.
    pub blocks: u64,
    /// Offsets that are lost.
    pub damaged: Vec<DamagedRange>,
    /// Groups whose loss no offset could be named for, by journal.
    pub missing_groups: u64,
    /// Files that are unreadable as a whole.
    pub unreadable: Vec<PathBuf>,
}

/// Lost offsets of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// Where.
    pub partition: TopicPartition,
    /// First lost offset.
    pub from: Offset,
    /// Last lost offset.
    pub to: Offset,
}

impl CheckReport {
    /// Whether nothing that was acknowledged is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing_groups == 0 && self.unreadable.is_empty()
    }
}

/// Why a directory could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no log here.
    #[error("{0} is not a data directory: it has no journals")]
    NotALog(PathBuf),
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A data directory that was verified: what it holds, and the lock that keeps it so.
pub(crate) struct Verified {
    pub(crate) identity: Identity,
    pub(crate) tables: Arc<Tables>,
    /// Those of topics, in the order of [`Journal::TOPICS`].
    pub(crate) journals: [Recovered; 3],
    pub(crate) report: CheckReport,
    pub(crate) lock: Box<dyn Send + Sync>,
}

/// Checks a data directory that nobody has open. Changes nothing.
///
/// # Errors
/// When it is not a data directory, is in use, or cannot be read at all.
pub fn check(disk: &dyn Disk, dir: &Path) -> Result<CheckReport, CheckError> {
    Ok(verify(disk, dir)?.report)
}

/// Reads every byte of a data directory, under its lock. Changes nothing.
///
/// # Errors
/// As [`check`].
pub(crate) fn verify(disk: &dyn Disk, dir: &Path) -> Result<Verified, CheckError> {
    let known = meta::find(disk, dir)?;
    let Some(identity) = known.identity else { return Err(CheckError::NotALog(dir.to_owned())) };
    let lock = lock(disk, dir)?;
    let mut report = CheckReport::default();
    let state = dir.join(Journal::State.name());
    let tables = Arc::new(Tables::default());
    report.unreadable =
        snapshot::load(disk, &state, (&tables, identity.log)).map_err(OpenError::io(&state))?;
    report.unreadable.extend(known.rebuilt.then(|| meta::path(dir)));
    let (options, recorder) = (EmbeddedOptions::default(), Recorder::new());
    let source =
        Source { disk, dir, options: &options, recorder: &recorder, identity, verify: true };
    let recovered = recover(source, Journal::State, &tables)?;
    super::replay(&recovered, &tables).map_err(OpenError::io(&state))?;
    add(&mut report, &recovered);
    let [short, medium, long] = Journal::TOPICS.map(|journal| recover(source, journal, &tables));
    let journals = [short?, medium?, long?];
    journals.iter().for_each(|recovered| add(&mut report, recovered));
    report.damaged.sort_unstable_by_key(|range| (range.partition, range.from));
    Ok(Verified { identity, tables, journals, report, lock })
}

fn add(report: &mut CheckReport, found: &Recovered) {
    report.segments += found.segments.len() as u64;
    report.groups += found.counted.0;
    report.blocks += found.counted.1;
    report.missing_groups += found.missing;
    report.unreadable.extend(found.unreadable.iter().cloned());
    for (partition, known) in &found.partitions {
        report.damaged.extend(known.damaged.iter().map(|(from, to)| DamagedRange {
            partition: *partition,
            from: Offset(*from),
            to: Offset(*to),
        }));
    }
}

/// Takes the directory's lock.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let path = dir.join("LOCK");
    disk.lock(&path).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            OpenError::Locked(dir.to_owned())
        } else {
            OpenError::Io { file: path, error }
        }
    })
}
