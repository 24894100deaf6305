//! Faults of the disk and of the wall clock under the real executable, switched on and off while it
//! runs: the steering side of `torture/shim`.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::executable::{executable, shim};

#[path = "../../../torture/shim/src/page.rs"]
mod page;

/// A kind of call that the service makes on its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// open.
    Open,
    /// read, pread.
    Read,
    /// write, pwrite, pwritev.
    Write,
    /// fdatasync: of files.
    Sync,
    /// fsync: of directories.
    SyncDir,
    /// ftruncate, fallocate.
    Resize,
    /// rename.
    Rename,
    /// unlink.
    Remove,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; page::KINDS] = [
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::SyncDir,
        Self::Resize,
        Self::Rename,
        Self::Remove,
    ];

    fn kind(self) -> usize {
        match self {
            Self::Open => page::OPEN,
            Self::Read => page::READ,
            Self::Write => page::WRITE,
            Self::Sync => page::SYNC,
            Self::SyncDir => page::SYNC_ALL,
            Self::Resize => page::RESIZE,
            Self::Rename => page::RENAME,
            Self::Remove => page::UNLINK,
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an I/O error.
    Broken,
    /// It fails for want of room.
    NoRoom,
    /// It is interrupted.
    Interrupted,
    /// It is told to try again, which no file system tells of a file.
    Again,
    /// It is done for about half of its bytes.
    Short,
    /// It is not done, and reported as done.
    Skipped,
    /// The process is killed before it is made.
    Killed,
    /// It is made so much later.
    Late(Duration),
}

impl Fault {
    fn action(self) -> u64 {
        // As Linux numbers them, on every machine.
        match self {
            Self::Broken => 5,
            Self::NoRoom => 28,
            Self::Interrupted => 4,
            Self::Again => 11,
            Self::Short => page::SHORT,
            Self::Skipped => page::PRETEND,
            Self::Killed => page::KILL,
            Self::Late(by) => page::LATE | u64::try_from(by.as_millis()).unwrap_or(0) << 32,
        }
    }
}

/// What the wall clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// It shows the time.
    True,
    /// It is off by so many seconds.
    Off(i64),
    /// It stands still at this second since 1970, which may be before it.
    Frozen(i64),
    /// It jumps each second, at most so many seconds from the time.
    Jumping(i64),
}

/// The page by which the shim is told.
#[derive(Debug)]
pub struct Shim {
    page: File,
    path: PathBuf,
}

impl Shim {
    /// For the service on this data directory, whose parent exists. Nothing fails yet.
    ///
    /// # Panics
    /// When the page cannot be written, or the path is longer than it takes.
    #[must_use]
    pub fn over(data_dir: &Path) -> Self {
        let path = data_dir.with_extension("shim");
        let parent = data_dir.parent().expect("a data directory has a parent");
        let parent = parent.canonicalize().expect("its parent exists");
        let directory = parent.join(data_dir.file_name().expect("it has a name"));
        let mut options = std::fs::OpenOptions::new();
        let page = options.read(true).write(true).create(true).truncate(true).open(&path);
        let shim = Self { page: page.expect("the page can be created"), path };
        shim.page.set_len(page::BYTES as u64).expect("the page has room");
        shim.text(page::DIRECTORY_AT, directory.as_os_str().as_bytes());
        shim.set(0, page::MAGIC);
        shim
    }

    /// The executable with the shim before the C library.
    #[must_use]
    pub fn command(&self) -> Command {
        self.before(Command::new(executable()))
    }

    /// A command with the shim before the C library.
    #[must_use]
    pub fn before(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", shim());
        command.env("TIDINGS_SHIM", &self.path);
        command
    }

    /// From now on only calls on paths that contain this text count, are hit or wait.
    ///
    /// # Panics
    /// When the text is too long.
    pub fn only(&self, part: &str) {
        self.text(page::ONLY_AT, part.as_bytes());
    }

    /// From now on only calls on paths that end with this text count, are hit or wait.
    ///
    /// # Panics
    /// When the text is too long.
    pub fn ending(&self, end: &str) {
        self.text(page::ENDING_AT, end.as_bytes());
    }

    /// From now on only writes that hold these bytes in one piece count; empty: all.
    ///
    /// # Panics
    /// When they are too many.
    pub fn holding(&self, bytes: &[u8]) {
        assert!(bytes.len() <= page::TEXT_MAX, "too many bytes for the page");
        self.set(page::HOLDS_BYTES, 0);
        let written = self.page.write_all_at(bytes, page::HOLDS_AT as u64);
        written.expect("the page can be written");
        self.set(page::HOLDS_BYTES, bytes.len() as u64);
    }

    /// Lets so many calls of a kind pass, then hits so many.
    pub fn hit(&self, call: Call, fault: Fault, after: u64, times: u64) {
        let set = |which, value| self.set(page::word(call.kind(), which), value);
        set(page::ACTION, 0);
        set(page::SEEN, 0);
        set(page::FIRST, after);
        set(page::TIMES, times);
        set(page::ACTION, fault.action());
    }

    /// Hits every call of a kind from now on.
    pub fn hit_all(&self, call: Call, fault: Fault) {
        self.hit(call, fault, 0, u64::MAX);
    }

    /// Makes every call of a kind wait so long first.
    pub fn slow(&self, call: Call, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.set(page::word(call.kind(), page::WAIT), nanos);
    }

    /// Nothing fails or waits any more; the wall clock stays as it is.
    pub fn heal(&self) {
        for call in Call::ALL {
            self.set(page::word(call.kind(), page::ACTION), 0);
            self.set(page::word(call.kind(), page::WAIT), 0);
        }
        self.only("");
        self.ending("");
        self.holding(b"");
    }

    /// Sets the wall clock.
    pub fn wall(&self, wall: Wall) {
        let (mode, seconds) = match wall {
            Wall::True => (page::WALL_TRUE, 0),
            Wall::Off(by) => (page::WALL_OFF, by),
            Wall::Frozen(at) => (page::WALL_FROZEN, at),
            Wall::Jumping(most) => (page::WALL_JUMPING, most),
        };
        self.set(page::WALL_MODE, page::WALL_TRUE);
        self.set(page::WALL_SECONDS, seconds.cast_unsigned());
        self.set(page::WALL_MODE, mode);
    }

    /// Calls of a kind that counted so far.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.get(page::word(call.kind(), page::CALLS))
    }

    /// Calls of a kind that were hit so far.
    #[must_use]
    pub fn hits(&self, call: Call) -> u64 {
        self.get(page::word(call.kind(), page::HIT))
    }

    /// Calls of a kind that waited so far.
    #[must_use]
    pub fn waits(&self, call: Call) -> u64 {
        self.get(page::word(call.kind(), page::WAITED))
    }

    fn set(&self, word: usize, value: u64) {
        let done = self.page.write_all_at(&value.to_ne_bytes(), word as u64 * 8);
        done.expect("the page can be written");
    }

    fn get(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        self.page.read_exact_at(&mut bytes, word as u64 * 8).expect("the page can be read");
        u64::from_ne_bytes(bytes)
    }

    fn text(&self, at: usize, text: &[u8]) {
        assert!(text.len() < page::TEXT_MAX, "a text is too long for the page");
        let mut bytes = [0; page::TEXT_MAX];
        bytes[..text.len()].copy_from_slice(text);
        self.page.write_all_at(&bytes, at as u64).expect("the page can be written");
    }
}
