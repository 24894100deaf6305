//! What is on the disk: what programs see, and what of it a crash may not take away.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// The unit that a write reaches the disk in.
pub(super) const PAGE_BYTES: usize = 4096;

/// Number of a file, whatever it is called.
pub(super) type Inode = usize;

/// Files by name, in the order of its bytes. Cloning shares them until one changes.
pub(super) type Names = Arc<BTreeMap<Arc<OsStr>, Inode>>;

/// Something that changed the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file was created.
    Create {
        /// Its name.
        path: PathBuf,
    },
    /// Bytes were written.
    Write {
        /// Number of the file, in order of creation.
        file: usize,
        /// From this byte on.
        at: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// A file's bytes were made durable.
    Sync {
        /// Number of the file.
        file: usize,
    },
    /// A file's sync failed: what was not durable by then may never be.
    FailedSync {
        /// Number of the file.
        file: usize,
    },
    /// What was behind so many bytes was given back, at once and for good: the harshest that a disk does.
    Truncate {
        /// Number of the file.
        file: usize,
        /// Bytes that stay: whole pages.
        bytes: u64,
    },
    /// A name was replaced by another.
    Rename {
        /// The former name.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// A name was removed.
    Remove {
        /// The name.
        path: PathBuf,
    },
    /// A directory's names were made durable.
    SyncDir {
        /// The directory.
        path: PathBuf,
    },
    /// A directory was created, durably.
    CreateDir {
        /// The directory.
        path: PathBuf,
    },
}

/// A change of names that a crash may undo.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link { path: Arc<OsStr>, inode: Inode },
    Rename { from: Arc<OsStr>, to: Arc<OsStr>, inode: Inode },
    Unlink { path: Arc<OsStr> },
}

impl NameChange {
    fn path(&self) -> &Path {
        match self {
            Self::Link { path, .. } | Self::Unlink { path } | Self::Rename { to: path, .. } => {
                Path::new(path)
            }
        }
    }

    pub(super) fn apply(&self, names: &mut Names) {
        let names = Arc::make_mut(names);
        match self {
            Self::Link { path, inode } => {
                names.insert(Arc::clone(path), *inode);
            }
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(Arc::clone(to), *inode);
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
        }
    }
}

/// What was written to one page since it was last durable, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    pub(super) images: Vec<Bytes>,
    /// Its sync failed: the system takes it for stored, and no later sync does it.
    doomed: bool,
}

/// One file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) len: u64,
    pub(super) durable_len: u64,
    pub(super) pages: BTreeMap<u64, Bytes>,
    pub(super) dirty: BTreeMap<u64, Dirty>,
}

impl Content {
    fn page(&self, number: u64) -> Option<&Bytes> {
        let written = self.dirty.get(&number).and_then(|dirty| dirty.images.last());
        written.or_else(|| self.pages.get(&number))
    }

    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if at + buffer.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, in_page, piece) in pieces(at, buffer.len()) {
            let target = &mut buffer[piece];
            match self.page(number) {
                Some(page) => target.copy_from_slice(&page[in_page..in_page + target.len()]),
                None => target.fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &Bytes) {
        for (number, in_page, piece) in pieces(at, bytes.len()) {
            let image = if piece.len() == PAGE_BYTES {
                bytes.slice(piece)
            } else {
                let mut page = self
                    .page(number)
                    .map_or_else(|| BytesMut::zeroed(PAGE_BYTES), |page| BytesMut::from(&page[..]));
                page[in_page..in_page + piece.len()].copy_from_slice(&bytes[piece]);
                page.freeze()
            };
            let dirty = self.dirty.entry(number).or_default();
            dirty.images.push(image);
            // Written again, it is the next sync's to store.
            dirty.doomed = false;
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    fn sync(&mut self) {
        for (number, dirty) in std::mem::take(&mut self.dirty) {
            if dirty.doomed {
                self.dirty.insert(number, dirty);
            } else if let Some(image) = dirty.images.into_iter().next_back() {
                self.pages.insert(number, image);
            }
        }
        self.durable_len = self.len;
    }

    /// Gives back the pages from a byte on.
    fn truncate(&mut self, bytes: u64) {
        let page = bytes.div_ceil(PAGE_BYTES as u64);
        self.pages.retain(|number, _| *number < page);
        self.dirty.retain(|number, _| *number < page);
        self.len = self.len.min(bytes);
        self.durable_len = self.durable_len.min(bytes);
    }

    /// Puts bytes in place durably, as far as the file goes, as a bad disk does.
    pub(super) fn damage(&mut self, at: u64, bytes: &Bytes) {
        let room = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        self.write(at, &bytes.slice(..bytes.len().min(room)));
        self.sync();
    }

    /// Ends the file earlier, durably.
    pub(super) fn cut(&mut self, len: u64) {
        self.sync();
        let page = len / PAGE_BYTES as u64;
        self.pages.retain(|number, _| *number <= page);
        if let Some(last) = self.pages.get_mut(&page) {
            let mut bytes = BytesMut::from(&last[..]);
            bytes[(len % PAGE_BYTES as u64) as usize..].fill(0);
            *last = bytes.freeze();
        }
        (self.len, self.durable_len) = (len, len);
    }
}

/// Splits a range of a file into pages: number, first byte in the page, range of the buffer.
fn pieces(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let place = at + done as u64;
        let in_page = (place % PAGE_BYTES as u64) as usize;
        let count = (PAGE_BYTES - in_page).min(len - done);
        let piece = done..done + count;
        done += count;
        (count > 0).then_some((place / PAGE_BYTES as u64, in_page, piece))
    })
}

/// The whole disk. Cloning shares what does not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) files: Vec<Arc<Content>>,
    pub(super) names: Names,
    pub(super) durable_names: Names,
    pub(super) changes: Vec<NameChange>,
    pub(super) dirs: Arc<BTreeSet<PathBuf>>,
}

impl Image {
    pub(super) fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.names.get(path.as_os_str()).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, inode: Inode) -> &Content {
        &self.files[inode]
    }

    pub(super) fn file_mut(&mut self, inode: Inode) -> &mut Content {
        Arc::make_mut(&mut self.files[inode])
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|&inode| self.files[inode].len).sum()
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let dirs = self.dirs.iter().map(PathBuf::as_path);
        let prefix = dir.as_os_str().as_encoded_bytes();
        let is_under = |name: &OsStr| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix);
            let rest = rest.and_then(|rest| rest.strip_prefix(b"/"));
            rest.is_some_and(|rest| !rest.contains(&b'/'))
        };
        let names = self.names.keys().filter(|name| is_under(name)).map(PathBuf::from);
        let dirs = dirs.filter(|name| name.parent() == Some(dir)).map(Path::to_owned);
        let mut under: Vec<_> = names.chain(dirs).collect();
        under.sort();
        Ok(under)
    }

    /// Does what an operation says, when it can be done.
    pub(super) fn apply(&mut self, operation: &Operation) -> io::Result<()> {
        match operation {
            Operation::Create { path } => self.create(path)?,
            Operation::Write { file, at, bytes } => self.file_mut(*file).write(*at, bytes),
            Operation::Sync { file } => self.file_mut(*file).sync(),
            Operation::FailedSync { file } => {
                self.file_mut(*file).dirty.values_mut().for_each(|dirty| dirty.doomed = true);
            }
            Operation::Truncate { file, bytes } => self.file_mut(*file).truncate(*bytes),
            Operation::Rename { from, to } => {
                let inode = self.inode(from)?;
                let (from, to) = (from.as_os_str().into(), to.as_os_str().into());
                self.change(NameChange::Rename { from, to, inode });
            }
            Operation::Remove { path } => {
                self.inode(path)?;
                self.change(NameChange::Unlink { path: path.as_os_str().into() });
            }
            Operation::SyncDir { path } => self.sync_dir(path)?,
            Operation::CreateDir { path } => {
                Arc::make_mut(&mut self.dirs).extend(path.ancestors().map(Path::to_owned));
            }
        }
        Ok(())
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path.as_os_str()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|dir| self.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.files.push(Arc::default());
        self.change(NameChange::Link {
            path: path.as_os_str().into(),
            inode: self.files.len() - 1,
        });
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for change in std::mem::take(&mut self.changes) {
            if change.path().parent() == Some(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.changes.push(change);
            }
        }
        Ok(())
    }
}
