//! Verifying a data directory offline: every segment, group, block and snapshot.

use std::io;
use std::path::{Path, PathBuf};

use tidings_event::{Offset, TopicPartition};
use tidings_telemetry::Recorder;

use super::options::{EmbeddedOptions, OpenError};
use super::recovery::{Source, recover};
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

/// Checks a data directory that nobody has open. Changes nothing.
///
/// # Errors
/// When it is not a data directory, is in use, or cannot be read at all.
pub fn check(disk: &dyn Disk, dir: &Path) -> Result<CheckReport, CheckError> {
    let known = meta::find(disk, dir)?;
    let Some(identity) = known.identity else { return Err(CheckError::NotALog(dir.to_owned())) };
    let _lock = lock(disk, dir)?;
    let mut report = CheckReport::default();
    let state = dir.join(Journal::State.name());
    let tables = Tables::default();
    report.unreadable =
        snapshot::load(disk, &state, (&tables, identity.log)).map_err(OpenError::io(&state))?;
    report.unreadable.extend(known.rebuilt.then(|| meta::path(dir)));
    let (options, recorder) = (EmbeddedOptions::default(), Recorder::new());
    let source =
        Source { disk, dir, options: &options, recorder: &recorder, identity, verify: true };
    let recovered = recover(source, Journal::State, &tables)?;
    super::replay(&recovered, &tables).map_err(OpenError::io(&state))?;
    add(&mut report, recovered);
    for journal in Journal::TOPICS {
        add(&mut report, recover(source, journal, &tables)?);
    }
    report.damaged.sort_unstable_by_key(|range| (range.partition, range.from));
    Ok(report)
}

fn add(report: &mut CheckReport, found: super::recovery::Recovered) {
    report.segments += found.segments.len() as u64;
    report.groups += found.counted.0;
    report.blocks += found.counted.1;
    report.missing_groups += found.missing;
    report.unreadable.extend(found.unreadable);
    for (partition, known) in found.partitions {
        report.damaged.extend(known.damaged.iter().map(|(from, to)| DamagedRange {
            partition,
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
