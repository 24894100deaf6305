//! A file for the next segment of a journal, every byte of which was written before.
//!
//! A group that is appended to a new file costs the file system a record of where it is, with each sync, and the kernel a
//! fresh page for each 4 KiB; over bytes that are there it costs neither. A spare is a segment that retention has
//! taken, or one that is filled with zeros while little is written. What was in it means nothing: the groups of every
//! segment have a generation of their own.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::Context;
use super::group::PAGE;
use super::journal::JournalStore;
use super::segment::Segment;
use crate::disk::{DiskFile, OpenMode};
use crate::partition_log::Journal;

/// So many bytes are synced at a time; whoever makes a spare rests in between.
const PIECE_BYTES: u64 = 1 << 20;

/// So many times its bytes must be free before a spare is made.
const ROOM: u64 = 4;

/// A file that a segment may be begun in.
pub(crate) struct Spare {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    /// All of them were written.
    pub(crate) bytes: u64,
}

/// What a journal has: one at most.
enum Slot {
    Empty,
    /// Somebody is making one, or beginning a segment in it: until then its name is nobody else's.
    Taken,
    Ready(Spare),
}

/// The spares of all journals, in their order.
pub(crate) struct Spares([Mutex<Slot>; 4]);

impl Default for Spares {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Slot::Empty)))
    }
}

impl Spares {
    fn slot(&self, journal: Journal) -> MutexGuard<'_, Slot> {
        self.0[journal as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in a slot; answers what was there.
    fn replace(&self, journal: Journal, slot: Slot) -> Slot {
        std::mem::replace(&mut *self.slot(journal), slot)
    }
}

fn path(context: &Context, journal: Journal) -> PathBuf {
    context.dir.join(journal.name()).join("next.spare")
}

fn unfinished(spare: &Path) -> PathBuf {
    spare.with_extension("unfinished")
}

impl Context {
    /// Takes up what the process before left; only where spares are wanted.
    pub(crate) fn find_spare(&self, journal: Journal) -> io::Result<()> {
        let path = path(self, journal);
        self.remove(&unfinished(&path))?;
        if self.options.spare_bytes_max == 0 {
            return self.remove(&path);
        }
        let file = match self.disk.open(&path, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let bytes = file.len()? / PAGE as u64 * PAGE as u64;
        self.spares.replace(journal, Slot::Ready(Spare { file, path, bytes }));
        Ok(())
    }

    /// The spare of a journal, if it has one of so many bytes; a smaller one goes. Whoever gets it says when it
    /// [has another name](Self::spare_is_used).
    pub(crate) fn take_spare(&self, journal: Journal, least: u64) -> Option<Spare> {
        let mut slot = self.spares.slot(journal);
        match std::mem::replace(&mut *slot, Slot::Empty) {
            Slot::Ready(spare) if spare.bytes >= least => {
                *slot = Slot::Taken;
                Some(spare)
            }
            Slot::Ready(small) => {
                self.let_go(&small.path);
                None
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// The name of the spare that was taken is free.
    pub(crate) fn spare_is_used(&self, journal: Journal) {
        self.spares.replace(journal, Slot::Empty);
    }

    /// Fills a file with zeros, unless there is a spare, or little room. `goes_on` is asked before each piece.
    pub(crate) fn make_spare(&self, journal: Journal, bytes: u64, goes_on: impl FnMut() -> bool) {
        if bytes == 0 || self.is_full(ROOM * bytes) || !self.reserve_spare(journal) {
            return;
        }
        let path = path(self, journal);
        let made = self.fill(&path, bytes, goes_on).unwrap_or_else(|error| {
            tracing::warn!(journal = journal.name(), %error, "no spare segment");
            None
        });
        if made.is_none() {
            self.let_go(&unfinished(&path));
        }
        self.spares.replace(journal, made.map_or(Slot::Empty, Slot::Ready));
    }

    fn fill(
        &self,
        path: &Path,
        bytes: u64,
        mut goes_on: impl FnMut() -> bool,
    ) -> io::Result<Option<Spare>> {
        let unfinished = unfinished(path);
        let file = self.disk.open(&unfinished, OpenMode::CreateNew)?;
        for at in (0..bytes).step_by(PAGE) {
            if at.is_multiple_of(PIECE_BYTES) && !goes_on() {
                return Ok(None);
            }
            // Page by page: what one call writes Linux may keep as one piece, all of which it counts as written again
            // with each page that is written over.
            file.write_all_at(&[IoSlice::new(&[0; PAGE])], at)?;
            let next = at + PAGE as u64;
            // Bit by bit: a sync of all of it would stand before those of the journal.
            if next.is_multiple_of(PIECE_BYTES) || next >= bytes {
                self.sync(&*file)?;
            }
        }
        self.disk.rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))?;
        Ok(Some(Spare { file, path: path.to_owned(), bytes }))
    }

    /// Whether a spare is wanted; then the caller brings it, or empties the slot.
    fn reserve_spare(&self, journal: Journal) -> bool {
        let mut slot = self.spares.slot(journal);
        let wanted = self.options.spare_bytes_max > 0 && matches!(*slot, Slot::Empty);
        if wanted {
            *slot = Slot::Taken;
        }
        wanted
    }

    /// Takes a segment's name away, durably. Where a spare is wanted its file is kept for that; if that fails it is
    /// removed.
    ///
    /// # Errors
    /// As the disk says; the file is then there, or is not, and may be taken away once more.
    pub(crate) fn retire(&self, journal: Journal, segment: &Path) -> io::Result<Retired> {
        let sync = || segment.parent().map_or(Ok(()), |dir| self.sync_dir(dir));
        if self.reserve_spare(journal) {
            let spare = path(self, journal);
            match self.disk.rename(segment, &spare).and_then(|()| sync()) {
                Ok(()) => return Ok(Retired { journal, path: Some(spare) }),
                Err(_) => self.let_go(&spare),
            }
            self.spares.replace(journal, Slot::Empty);
        }
        self.remove(segment)?;
        sync()?;
        Ok(Retired { journal, path: None })
    }

    /// Makes a spare of a segment that was taken away, unless somebody reads it still.
    pub(crate) fn reuse(&self, retired: Retired, segment: Option<Segment>) {
        let Some(path) = retired.path else { return };
        let bytes = segment.as_ref().map_or(0, |s| s.bytes.min(self.options.spare_bytes_max));
        let bytes = bytes / PAGE as u64 * PAGE as u64;
        let file = segment.map(|segment| segment.file).filter(|file| Arc::strong_count(file) == 1);
        let file = file.filter(|file| bytes > PAGE as u64 && file.truncate(bytes).is_ok());
        if file.is_none() {
            self.let_go(&path);
        }
        let spare = file.map(|file| Spare { file, path, bytes });
        self.spares.replace(retired.journal, spare.map_or(Slot::Empty, Slot::Ready));
    }

    /// There is no room: what is kept for later goes.
    pub(crate) fn give_up_spares(&self) {
        for slot in &self.spares.0 {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Slot::Ready(spare) = &*slot {
                self.let_go(&spare.path);
                *slot = Slot::Empty;
            }
        }
    }

    /// Removes what is of no use. One that stays is found at the next start.
    fn let_go(&self, path: &Path) {
        if let Err(error) = self.remove(path) {
            tracing::warn!(file = %path.display(), %error, "cannot remove a spare segment");
        }
    }
}

/// A segment whose file has its name no more.
pub(crate) struct Retired {
    journal: Journal,
    /// Where it is, if it becomes a spare.
    path: Option<PathBuf>,
}

impl JournalStore {
    /// Gives back what was written before in a segment that will not grow, behind its end.
    pub(crate) fn give_back(&self, number: u32) {
        let ended = self.core().segments.get(&number).map(Segment::share);
        let Some(ended) = ended.filter(|segment| segment.header.written_before > 0) else { return };
        let longer = ended.file.len().is_ok_and(|bytes| bytes > ended.bytes);
        if longer && let Err(error) = ended.file.truncate(ended.bytes) {
            tracing::warn!(%error, file = %ended.path.display(), "room is not given back");
        }
    }
}

#[cfg(test)]
mod tests;
