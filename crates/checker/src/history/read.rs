//! Reading histories, within bounds.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Record, name};

/// Most bytes one record may have.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// How much is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most records of all files together.
    pub records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 20_000_000 }
    }
}

/// Records of all clients, by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In order; records of one file keep their order.
    pub records: Vec<Record>,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The system refused.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not a record.
    #[error("{file}, line {line}: {detail}")]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// More records than the limit.
    #[error("{file}: more than {limit} records; raise --max-records")]
    TooMany {
        /// The file at which it was passed.
        file: String,
        /// The limit.
        limit: usize,
    },
}

impl History {
    /// Reads and merges files.
    ///
    /// # Errors
    /// When one cannot be read, holds a line that is not a record, or the limit is passed. A last
    /// line without its line end is what a killed writer leaves, and is passed over.
    pub fn read(files: &[&Path], limits: Limits) -> Result<Self, HistoryError> {
        name::sharing(|| Self::merge(files, limits))
    }

    fn merge(files: &[&Path], limits: Limits) -> Result<Self, HistoryError> {
        let mut records = Vec::new();
        for path in files {
            let file = path.display().to_string();
            let input = File::open(path)
                .map_err(|source| HistoryError::Io { file: file.clone(), source })?;
            let from = records.len();
            read_file(BufReader::new(input), &file, limits, &mut records)?;
            // A wall clock that jumps back must not reorder one client's own records.
            let mut latest = 0;
            for record in &mut records[from..] {
                latest = record.at.max(latest);
                record.at = latest;
            }
        }
        records.sort_by_key(|record| record.at);
        Ok(Self { records })
    }
}

fn read_file(
    mut input: impl BufRead,
    file: &str,
    limits: Limits,
    records: &mut Vec<Record>,
) -> Result<(), HistoryError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = input.by_ref().take(most).read_until(b'\n', &mut bytes);
        read.map_err(|source| HistoryError::Io { file: file.to_owned(), source })?;
        let bad = |detail: String| HistoryError::Line { file: file.to_owned(), line, detail };
        if bytes.len() > LINE_BYTES_MAX {
            return Err(bad(format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        if !bytes.ends_with(b"\n") {
            break;
        }
        if records.len() == limits.records {
            return Err(HistoryError::TooMany { file: file.to_owned(), limit: limits.records });
        }
        records.push(serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?);
    }
    Ok(())
}
