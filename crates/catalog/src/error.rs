//! Why a catalog could not be opened.

use tidings_log::{AppendError, CommitError, PendingError, TopicError};

/// Why a catalog could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A record was written by a later version.
    #[error(
        "catalog record `{key}` has version {version}, this program knows up to {known}: use the newer program"
    )]
    UnknownVersion {
        /// The record's key.
        key: String,
        /// What it says.
        version: u8,
        /// The newest this program reads.
        known: u8,
    },
    /// A record's bytes cannot be read.
    #[error("catalog record `{key}` is damaged: {reason}")]
    Damaged {
        /// The record's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A setting is outside what it may be.
    #[error("setting `{setting}` is {value}: {rule}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// The log refused a topic.
    #[error("cannot restore a topic: {0}")]
    Topic(#[from] TopicError),
    /// The log refused the first records.
    #[error("cannot write the catalog: {0}")]
    Commit(#[from] CommitError),
    /// The log failed.
    #[error("cannot write the catalog: {0}")]
    Pending(#[from] PendingError),
    /// The log refused an append.
    #[error("cannot write the catalog: {0}")]
    Append(#[from] AppendError),
}
