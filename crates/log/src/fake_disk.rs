//! A disk in memory that loses whatever a disk may lose, fails when told to, and remembers everything.
//!
//! Each file has durable pages and, per page, what was written since; names have durable entries
//! and changes since. A crash keeps what is durable and any subset of the rest: pages at any moment
//! of their history, some torn at 512 bytes, lengths with and without their bytes, names with and
//! without the changes of their directory.

mod crash;
mod damage;
mod image;
mod states;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;

pub use crash::Explorer;
pub use image::Operation;
use image::{Image, Inode, PAGE_BYTES};
pub use states::{Left, Model};

use crate::disk::{Disk, DiskFile, NotOpened, OpenMode};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Disk::open`], in any mode.
    Open,
    /// [`DiskFile::read_exact_at`].
    Read,
    /// [`DiskFile::write_all_at`].
    Write,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`Disk::sync_dir`], which finds no room to open the directory in.
    OpenDir,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::list`].
    List,
}

/// `EIO` on Linux.
pub const EIO: i32 = 5;
/// `ENOSPC` on Linux.
pub const ENOSPC: i32 = 28;

/// Bytes of a disk that nobody made small.
const CAPACITY_BYTES: u64 = 1 << 40;

struct Fault {
    call: Call,
    /// Until it fails, that call included.
    calls_left: usize,
    errno: i32,
    /// Only calls on files with names that end in this.
    extension: Option<&'static str>,
}

struct State {
    start: Image,
    image: Image,
    log: Vec<Operation>,
    faults: Vec<Fault>,
    capacity: u64,
    copies_on_write: bool,
    is_locked: bool,
    holds_syncs: bool,
    held_syncs: usize,
}

struct Shared {
    state: Mutex<State>,
    syncs: Condvar,
}

/// The disk. Cloning gives another handle of the same disk.
#[derive(Clone)]
pub struct FakeDisk {
    shared: Arc<Shared>,
}

struct FakeFile {
    disk: FakeDisk,
    inode: Inode,
    writable: bool,
}

/// Gives the directory's lock back.
struct Unlock(FakeDisk);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.state().is_locked = false;
    }
}

impl Default for FakeDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDisk").field("files", &self.files()).finish_non_exhaustive()
    }
}

impl FakeDisk {
    /// An empty disk of 1 TiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Image::default(), CAPACITY_BYTES)
    }

    fn with(image: Image, capacity: u64) -> Self {
        let state = State {
            start: image.clone(),
            image,
            log: Vec::new(),
            faults: Vec::new(),
            capacity,
            copies_on_write: false,
            is_locked: false,
            holds_syncs: false,
            held_syncs: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), syncs: Condvar::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations have changed this disk since it was made.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.state().log.len()
    }

    /// Everything that happened since it was made, to be crashed at any moment of it.
    #[must_use]
    pub fn explore(&self) -> Explorer {
        let state = self.state();
        Explorer {
            image: state.start.clone(),
            log: state.log.as_slice().into(),
            done: 0,
            capacity: state.capacity,
        }
    }

    /// One of the disks that a crash now may leave. This one goes on apart from it.
    #[must_use]
    pub fn crash(&self, rng: &mut StdRng) -> Self {
        let state = self.state();
        Self::with(state.image.crashed(rng), state.capacity)
    }

    /// The same disk after a clean power-off: all that was written, durable or not; unlocked.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        Self::with(state.image.clone(), state.capacity)
    }

    /// Makes the next call of a kind fail after `calls_before` more have been let through.
    pub fn fail(&self, call: Call, calls_before: usize, errno: i32) {
        let fault = Fault { call, calls_left: calls_before + 1, errno, extension: None };
        self.state().faults.push(fault);
    }

    /// Makes the next sync of a file with a name that ends in `extension` fail: threads sync different
    /// files, in any order.
    pub fn fail_sync_of(&self, extension: &'static str, errno: i32) {
        let fault = Fault { call: Call::Sync, calls_left: 1, errno, extension: Some(extension) };
        self.state().faults.push(fault);
    }

    /// How many calls are still to fail.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// Sets how many bytes it holds; a write past it stores what fits, then fails with
    /// `ENOSPC`; what is written over always fits, unless it [copies on write](Self::copy_on_write).
    pub fn limit(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// From now on what is written over takes as much room as what is new, until it is in its place.
    pub fn copy_on_write(&self) {
        self.state().copies_on_write = true;
    }

    /// From now on, syncs of files wait.
    pub fn hold_syncs(&self) {
        self.state().holds_syncs = true;
    }

    /// Lets waiting and later syncs through.
    pub fn release_syncs(&self) {
        self.state().holds_syncs = false;
        self.shared.syncs.notify_all();
    }

    /// Returns once a sync waits. Never, when none will.
    pub fn until_a_sync_is_held(&self) {
        let mut state = self.state();
        while state.held_syncs == 0 {
            state = self.shared.syncs.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Every file and its length, by name.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let image = &self.state().image;
        image
            .names
            .iter()
            .map(|(path, &inode)| (PathBuf::from(path), image.file(inode).len))
            .collect()
    }

    fn sync_file(&self, file: Inode) -> io::Result<()> {
        let mut state = self.state();
        while state.holds_syncs {
            state.held_syncs += 1;
            self.shared.syncs.notify_all();
            state = self.shared.syncs.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.held_syncs -= 1;
        }
        let fault = state.fault_on(Call::Sync, Some(file));
        if fault.is_err() {
            state.apply(Operation::FailedSync { file })?;
            return fault;
        }
        state.apply(Operation::Sync { file })
    }
}

impl State {
    /// Fails when this call is one that was told to.
    fn fault(&mut self, call: Call) -> io::Result<()> {
        self.fault_on(call, None)
    }

    fn fault_on(&mut self, call: Call, file: Option<Inode>) -> io::Result<()> {
        let Self { faults, image, .. } = self;
        let is_on = |extension| {
            image.names.iter().any(|(path, inode)| {
                let is_named = Path::new(path).extension().is_some_and(|of| of == extension);
                Some(*inode) == file && is_named
            })
        };
        for fault in faults.iter_mut().filter(|fault| fault.call == call) {
            if fault.extension.is_none_or(is_on) {
                fault.calls_left -= 1;
            }
        }
        match self.faults.iter().position(|fault| fault.calls_left == 0) {
            Some(due) => Err(io::Error::from_raw_os_error(self.faults.remove(due).errno)),
            None => Ok(()),
        }
    }

    fn apply(&mut self, operation: Operation) -> io::Result<()> {
        self.image.apply(&operation)?;
        self.log.push(operation);
        Ok(())
    }

    fn write(&mut self, file: Inode, at: u64, mut bytes: Bytes) -> io::Result<()> {
        self.fault(Call::Write)?;
        let content = self.image.file(file);
        let takes = if self.copies_on_write { at } else { content.len };
        let grows = (at + bytes.len() as u64).saturating_sub(takes);
        let lacking = (self.image.used() + grows).saturating_sub(self.capacity).min(grows);
        let mut fits = bytes.len().saturating_sub(usize::try_from(lacking).unwrap_or(usize::MAX));
        if self.copies_on_write && lacking > 0 {
            // Pages are copied whole.
            fits -= fits.min((at as usize + fits) % PAGE_BYTES);
        }
        bytes.truncate(fits);
        if !bytes.is_empty() {
            self.apply(Operation::Write { file, at, bytes })?;
        }
        if lacking > 0 { Err(io::Error::from_raw_os_error(ENOSPC)) } else { Ok(()) }
    }
}

impl Disk for FakeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.fault(Call::Open)?;
        if mode == OpenMode::CreateNew {
            state.apply(Operation::Create { path: path.to_owned() })?;
        }
        let inode = state.image.inode(path)?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(FakeFile { disk: self.clone(), inode, writable }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.image.dirs.contains(path) {
            return Ok(());
        }
        state.apply(Operation::CreateDir { path: path.to_owned() })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.fault(Call::List)?;
        state.image.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.fault(Call::Rename)?;
        state.apply(Operation::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.fault(Call::Remove)?;
        state.apply(Operation::Remove { path: path.to_owned() })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let opened = state.fault(Call::OpenDir);
        opened.map_err(|error| io::Error::new(error.kind(), NotOpened))?;
        state.fault(Call::SyncDir)?;
        state.apply(Operation::SyncDir { path: path.to_owned() })
    }

    fn space(&self, _path: &Path) -> io::Result<(u64, u64)> {
        let state = self.state();
        Ok((state.capacity.saturating_sub(state.image.used()), state.capacity))
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.is_locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.is_locked = true;
        Ok(Box::new(Unlock(self.clone())))
    }
}

impl DiskFile for FakeFile {
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.fault(Call::Read)?;
        state.image.file(self.inode).read(buffer, at)
    }

    fn write_all_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = BytesMut::with_capacity(slices.iter().map(|slice| slice.len()).sum());
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        self.disk.state().write(self.inode, at, bytes.freeze())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_file(self.inode)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.disk.state().apply(Operation::Truncate { file: self.inode, bytes })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().image.file(self.inode).len)
    }
}
