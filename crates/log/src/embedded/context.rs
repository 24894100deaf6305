//! What every part of the engine shares: the disk, the clock, the recorder, the settings.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_event::Clock;
use tidings_telemetry::Recorder;

use super::options::{EmbeddedOptions, Sabotage};
use super::spare::Spares;
use crate::disk::{Disk, DiskFile, NotOpened, OpenMode};

pub(crate) struct Context {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: EmbeddedOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    /// Bytes that wait to be written, all journals.
    pub(crate) queued: AtomicU64,
    pub(crate) spares: Spares,
}

impl Context {
    /// Makes a file's bytes durable.
    pub(crate) fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        if self.options.sabotaged(Sabotage::NoFsync) { Ok(()) } else { file.sync_data() }
    }

    /// Makes a directory's names durable.
    pub(crate) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.options.sabotaged(Sabotage::NoDirFsync) { Ok(()) } else { self.disk.sync_dir(path) }
    }

    /// Puts a whole file in place: after a crash it has all of these bytes or its former ones.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.replace_by(path, |file| file.write_all_at(&[IoSlice::new(bytes)], 0).map(|()| true))
    }

    /// The same with a file that is written bit by bit, unless `write` says that there is to be none.
    pub(crate) fn replace_by(
        &self,
        path: &Path,
        write: impl FnOnce(&dyn DiskFile) -> io::Result<bool>,
    ) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        self.remove(&temporary)?;
        let file = self.disk.open(&temporary, OpenMode::CreateNew)?;
        let synced = |whole| if whole { self.sync(&*file).map(|()| true) } else { Ok(false) };
        let whole = write(&*file).and_then(synced);
        if !matches!(whole, Ok(true)) {
            // Half a file is of no use; one that stays is replaced.
            let _gone = self.remove(&temporary);
            return whole.map(|_| ());
        }
        self.disk.rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))
    }

    /// Removes a file that may not be there.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether so many bytes of topics, after all that is queued, would go into the reserve.
    pub(crate) fn is_full(&self, asked: u64) -> bool {
        let wanted = self.queued.load(Ordering::Relaxed) + asked;
        // A file system that cannot say how full it is refuses by itself when it is.
        self.disk.space(&self.dir).is_ok_and(|(free, total)| {
            free < self.options.reserve_bytes.min(total / 100).max(1) + wanted
        })
    }
}

/// `ENFILE` and `EMFILE`: the machine, or this process, has no file handle left.
const NO_HANDLE: [i32; 2] = [23, 24];

/// Whether an error says that there is no room, or no file handle, for the moment, or that the process
/// may not let a file grow: nothing is wrong with what is stored.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) || is_no_handle(error)
}

/// Whether an error says that there is no file handle for the moment.
pub(crate) fn is_no_handle(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| NO_HANDLE.contains(&number))
}

/// Whether a directory was not even opened: then nothing of it was synced, and it may be done over.
pub(crate) fn was_not_opened(error: &io::Error) -> bool {
    is_no_handle(error) || error.get_ref().is_some_and(|inner| inner.is::<NotOpened>())
}

/// All bytes of a file; `None` when it does not exist.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Names in a directory; none when it does not exist.
pub(crate) fn list(disk: &dyn Disk, path: &Path) -> io::Result<Vec<PathBuf>> {
    match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        other => other,
    }
}
