//! Writing a history: appended, buffered, shared by tasks.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Result, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event::Clock;

use super::{Name, Op, Record};

/// Appends records to a file. Cheap to clone; what is not flushed is lost with the process.
#[derive(Clone)]
pub struct HistoryWriter {
    file: Arc<Mutex<BufWriter<File>>>,
    clock: Arc<dyn Clock>,
    process: Name,
}

impl HistoryWriter {
    /// Appends to a file, made if need be.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn open(path: &Path, process: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let file = Arc::new(Mutex::new(BufWriter::with_capacity(1 << 18, file)));
        Ok(Self { file, clock, process: process.into() })
    }

    /// The same file under another process name.
    #[must_use]
    pub fn named(&self, process: &str) -> Self {
        Self { process: process.into(), ..self.clone() }
    }

    /// Appends what was seen now, in this order and without others between.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record(&self, ops: impl IntoIterator<Item = Op>) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for op in ops {
            let record = Record { at: self.clock.wall().0, process: self.process.clone(), op };
            serde_json::to_writer(&mut *file, &record)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&self) -> Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
