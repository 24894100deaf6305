//! Reading histories, within bounds.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
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
    /// When one cannot be read, holds a line that is not a record, or the limit is passed.
    pub fn read(files: &[&Path], limits: Limits) -> Result<Self, HistoryError> {
        let read = || Merged::open(files, limits)?.collect::<Result<_, _>>();
        Ok(Self { records: name::sharing(read)? })
    }
}

/// The records of several files by time, read as they are asked for. A last line without its line end is
/// what a killed writer leaves, and is passed over.
pub struct Merged {
    files: Vec<Lines>,
    /// The next record of each file that has one, with its time and the file's number.
    heads: BinaryHeap<Reverse<Head>>,
    limits: Limits,
    taken: usize,
}

impl Merged {
    /// Opens the files and reads the first record of each.
    ///
    /// # Errors
    /// When one cannot be read, or does not begin with a record.
    pub fn open(files: &[&Path], limits: Limits) -> Result<Self, HistoryError> {
        let files = files.iter().map(|path| Lines::open(path)).collect::<Result<_, _>>()?;
        let mut merged = Self { files, heads: BinaryHeap::new(), limits, taken: 0 };
        (0..merged.files.len()).try_for_each(|file| merged.advance(file))?;
        Ok(merged)
    }

    /// Puts the next record of a file among those that may come.
    fn advance(&mut self, file: usize) -> Result<(), HistoryError> {
        if let Some(record) = self.files[file].next()? {
            self.heads.push(Reverse(Head { file, record }));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Result<Record, HistoryError>;

    /// The next record. After an error the rest of its file is left out.
    fn next(&mut self) -> Option<Self::Item> {
        let Reverse(Head { file, record }) = self.heads.pop()?;
        if self.taken == self.limits.records {
            let (file, limit) = (self.files[file].file.clone(), self.limits.records);
            self.heads.clear();
            return Some(Err(HistoryError::TooMany { file, limit }));
        }
        self.taken += 1;
        Some(self.advance(file).map(|()| record))
    }
}

/// Of equal times the one of the file that was named first comes first.
struct Head {
    file: usize,
    record: Record,
}

impl Head {
    fn place(&self) -> (u64, usize) {
        (self.record.at, self.file)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// The records of one file, in its order.
struct Lines {
    input: BufReader<File>,
    file: String,
    line: usize,
    /// A wall clock that jumps back must not reorder one client's own records.
    latest: u64,
    bytes: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, HistoryError> {
        let file = path.display().to_string();
        match File::open(path) {
            Ok(input) => {
                let input = BufReader::new(input);
                Ok(Self { input, file, line: 0, latest: 0, bytes: Vec::new() })
            }
            Err(source) => Err(HistoryError::Io { file, source }),
        }
    }

    fn next(&mut self) -> Result<Option<Record>, HistoryError> {
        self.line += 1;
        self.bytes.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.bytes);
        read.map_err(|source| HistoryError::Io { file: self.file.clone(), source })?;
        if self.bytes.len() > LINE_BYTES_MAX {
            return Err(self.bad(format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        if !self.bytes.ends_with(b"\n") {
            return Ok(None);
        }
        let mut record: Record =
            serde_json::from_slice(&self.bytes).map_err(|error| self.bad(error.to_string()))?;
        self.latest = self.latest.max(record.at);
        record.at = self.latest;
        Ok(Some(record))
    }

    fn bad(&self, detail: String) -> HistoryError {
        HistoryError::Line { file: self.file.clone(), line: self.line, detail }
    }
}
