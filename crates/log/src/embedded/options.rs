//! What the embedded engine can be told, and why it may refuse to open.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Settings of the embedded engine. The defaults are meant for production, but for spares: those the service asks for.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Bytes of a journal's first segment; each later one doubles.
    pub segment_bytes_min: u64,
    /// Most bytes of a segment (one write more at the end).
    pub segment_bytes_max: u64,
    /// Most bytes of appends that share a group; an append of up to 1 MiB stays whole all the same.
    pub group_bytes_max: usize,
    /// Most bytes of a spare segment, which each journal has one of: its bytes were written before, so that writing
    /// over them costs less. 0: there are none.
    pub spare_bytes_max: u64,
    /// Bytes of recent blocks kept in memory for each journal of topics.
    pub ring_bytes: usize,
    /// Most bytes a journal's queue may hold.
    pub queue_bytes_max: u64,
    /// Physical cap of each journal of topics: above it the oldest segment goes.
    pub journal_bytes_max: u64,
    /// Free bytes below which appends are refused; one percent of the disk if that is less.
    pub reserve_bytes: u64,
    /// Bytes of state records after which a snapshot is taken.
    pub snapshot_bytes: u64,
    /// How long a journal rests before a mark says that all of it is durable; `None`: only a clean
    /// stop marks.
    pub mark_after: Option<Duration>,
    /// A bug put in on purpose, so that a test can show that it would be found.
    #[cfg(any(test, feature = "test-util"))]
    pub sabotage: Sabotage,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            segment_bytes_min: 4 * MIB,
            segment_bytes_max: 256 * MIB,
            group_bytes_max: super::group::GROUP_BYTES_MAX,
            spare_bytes_max: 0,
            ring_bytes: 32 << 20,
            queue_bytes_max: 64 * MIB,
            journal_bytes_max: 64 << 30,
            reserve_bytes: 64 * MIB,
            snapshot_bytes: 8 * MIB,
            mark_after: Some(Duration::from_millis(10)),
            #[cfg(any(test, feature = "test-util"))]
            sabotage: Sabotage::None,
        }
    }
}

impl EmbeddedOptions {
    /// Whether a bug was put in on purpose; never outside tests.
    pub(crate) fn sabotaged(&self, bug: Sabotage) -> bool {
        #[cfg(any(test, feature = "test-util"))]
        return self.sabotage == bug;
        #[cfg(not(any(test, feature = "test-util")))]
        {
            let _unused = bug;
            false
        }
    }
}

/// Bugs that the crash tests must find.
#[cfg_attr(
    not(any(test, feature = "test-util")),
    expect(unreachable_pub, reason = "exported to tests only")
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// No bug.
    #[default]
    None,
    /// Files are never synced.
    NoFsync,
    /// Appends are acknowledged before their sync.
    AckBeforeFsync,
    /// Directories are never synced.
    NoDirFsync,
    /// Recovery reads an older segment past its accepted end.
    ResurrectTail,
    /// Recovery goes on after a missing group as if nothing were missing.
    SwallowGap,
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "data directory {0} is in use by another process: stop it, or choose another directory"
    )]
    Locked(PathBuf),
    /// Written by a version that knows more.
    #[error("{file} needs features {bits:#x} that this version does not have: use a newer version")]
    Feature {
        /// The file.
        file: PathBuf,
        /// The unknown incompatible feature bits, or the format version.
        bits: u32,
    },
    /// A file that everything hangs on is damaged.
    #[error("{file} is damaged: {reason}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The system could not read or write.
    #[error("cannot open {file}: {error}")]
    Io {
        /// What was being opened.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(file: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io { file: file.to_owned(), error }
    }
}
