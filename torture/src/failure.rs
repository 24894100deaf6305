//! Why a part could not do its work, which says nothing about the service.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TortureError {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A command failed.
    #[error("{command}: {said}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// The service refused what it must grant.
    #[error("{0}")]
    Client(#[from] tidings_client::ClientError),
    /// The system refused something about a file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl TortureError {
    /// What the system said of a file.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
