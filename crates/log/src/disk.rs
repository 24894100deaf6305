//! The disk as the engine sees it: a trait, so that tests can lose power and break sectors.
//!
//! Contract that the engine relies on and the fake disk exploits: bytes written become durable
//! only by [`DiskFile::sync_data`] on that file; a created, renamed or removed name becomes durable
//! only by [`Disk::sync_dir`] on its directory; until then a crash may keep any subset of the
//! writes, in units of 4 KiB pages, and any subset of the directory changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod system;

pub use system::SystemDisk;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; bytes cannot be written.
    Read,
    /// It must exist.
    Write,
    /// It must not exist.
    CreateNew,
}

/// A directory found no room to be opened in: nothing of it was synced, which may be done over.
#[derive(Debug, thiserror::Error)]
#[error("no room to open the directory")]
pub struct NotOpened;

/// A directory tree that files live in.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// As the system says; `NotFound` and `AlreadyExists` by [`OpenMode`].
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a directory and its parents, durably.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names directly under a directory, sorted.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Renames a file, replacing the target.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the system says; the engine treats any as fatal for the journal, but [`NotOpened`] and a lack of file handles.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Bytes free for this process, and bytes in all, of the file system that holds a path.
    ///
    /// # Errors
    /// As the system says.
    fn space(&self, path: &Path) -> io::Result<(u64, u64)>;

    /// Takes the exclusive lock of a data directory until the guard is dropped.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Fills the whole buffer from a place in the file.
    ///
    /// # Errors
    /// `UnexpectedEof` past the end, else as the system says.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;

    /// Writes every slice, one after the other, from a place in the file on.
    ///
    /// # Errors
    /// As the system says; how much was written is then unknown.
    fn write_all_at(&self, slices: &[io::IoSlice<'_>], at: u64) -> io::Result<()>;

    /// Makes everything written durable (fdatasync).
    ///
    /// # Errors
    /// As the system says; never retried: what was written is then unknown.
    fn sync_data(&self) -> io::Result<()>;

    /// Gives back what is behind so many bytes. A crash may leave the file as long as it was.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
