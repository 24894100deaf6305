//! What a data directory says of itself, read without opening or locking it.

use std::path::Path;

use tidings_event::{Epoch, Term};

use super::context::list;
use super::meta;
use super::options::OpenError;
use crate::disk::{Disk, OpenMode};
use crate::partition_log::Journal;

/// A data directory from the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Version of its format.
    pub format: u32,
    /// Identity of the log's life.
    pub epoch: Epoch,
    /// How often it was opened.
    pub term: Term,
    /// Bytes of its journals.
    pub bytes: u64,
}

/// Looks at a data directory that may be in use; `None` when there is no log in it.
///
/// # Errors
/// When a newer version wrote it, its identity is damaged, or it cannot be read.
pub fn inspect(disk: &dyn Disk, dir: &Path) -> Result<Option<Inspection>, OpenError> {
    let Some(identity) = meta::find(disk, dir)?.identity else { return Ok(None) };
    let meta::Identity { epoch, term, .. } = identity;
    let mut bytes = 0;
    for journal in Journal::TOPICS.into_iter().chain([Journal::State]) {
        let folder = dir.join(journal.name());
        for file in list(disk, &folder).map_err(OpenError::io(&folder))? {
            // A file that went away meanwhile has no bytes.
            let length = disk.open(&file, OpenMode::Read).and_then(|file| file.len());
            bytes += length.unwrap_or_default();
        }
    }
    Ok(Some(Inspection { format: meta::VERSION, epoch, term, bytes }))
}
