//! The groups that the process before wrote last: stored once more, so that they are durable before they are built on.
//!
//! They may be in the page cache only, and after a failed sync the system takes them for stored: then no sync would
//! store them. The bytes stay the same, so that tearing them changes nothing. Where nothing can be written, not even over
//! what is there (a file system that copies on write, and is full), they are written before the next segment is begun.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use super::group::PAGE;
use super::scan::Scan;
use crate::disk::DiskFile;

/// Groups of a segment that were not known to be durable when the last of them was written.
pub(crate) struct Leftover {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// Where each begins, and its bytes.
    groups: Vec<(u64, u64)>,
    /// Of what was written behind the last whole one.
    torn_bytes: u64,
}

impl Leftover {
    /// What a walk found in a segment without an accepted end.
    pub(crate) fn of(path: PathBuf, file: Arc<dyn DiskFile>, scan: &Scan) -> io::Result<Self> {
        let durable = scan.groups.iter().map(|found| found.group.durable).max().unwrap_or_default();
        let last = scan.groups.iter().filter(|found| found.group.seq > durable);
        let groups = last.map(|found| (u64::from(found.page) * PAGE as u64, found.group.total));
        Ok(Self { groups: groups.collect(), file, path, torn_bytes: scan.torn_bytes })
    }

    /// Says what was kept and cut off, if the process ended in the middle of something.
    pub(crate) fn tell(&self) {
        if !self.groups.is_empty() || self.torn_bytes > 0 {
            let (file, kept_groups) = (self.path.display(), self.groups.len());
            tracing::info!(%file, kept_groups, torn_bytes = self.torn_bytes, "a write was under way");
        }
    }

    /// Writes them once more, and makes the segment durable.
    pub(crate) fn store(&self) -> io::Result<()> {
        for (at, total) in &self.groups {
            let mut bytes = vec![0; usize::try_from(*total).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, *at)?;
            self.file.write_all_at(&[IoSlice::new(&bytes)], *at)?;
        }
        self.sync()
    }

    /// Makes durable what the system has not stored yet.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
