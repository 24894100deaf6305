//! Bars from CSV files as vendors write them.
//!
//! The header names the columns, in any order and case; a time column and open, high, low, close
//! are required, volume is optional, anything else (`Adj Close`) is ignored. The file's name says
//! instrument and timeframe (`BTC-PERP-1m.csv.gz`) unless the options do. Rows stream: memory does
//! not grow with the file, and a line longer than [`LINE_BYTES_MAX`] is refused before it is held.

mod header;
mod lines;
mod name;
mod stamp;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tidings_event::Timestamp;

use crate::{Bar, Series, Timeframe};
use header::Columns;
use lines::BoundedLines;

pub use lines::LINE_BYTES_MAX;
pub use stamp::Stamp;

/// What the file itself does not say.
#[derive(Clone, Debug, Default)]
pub struct CsvOptions {
    /// Instead of the name's instrument.
    pub instrument: Option<String>,
    /// Instead of the name's timeframe.
    pub timeframe: Option<Timeframe>,
    /// ISO 10383 MIC of the venue.
    pub venue: Option<String>,
    /// What a row's time means.
    pub stamp: Stamp,
}

/// Why bars cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be opened or read.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither name nor options say what the bars are of.
    #[error("{file}: {detail}; name it INSTRUMENT-TIMEFRAME.csv (as AAPL-1d.csv) or say which")]
    Name {
        /// The file.
        file: String,
        /// What is missing.
        detail: String,
    },
    /// The header lacks a column or has one twice.
    #[error("{file}, line 1: {detail}")]
    Header {
        /// The file.
        file: String,
        /// Which column.
        detail: String,
    },
    /// A row that is not a bar.
    #[error("{file}, line {line}, column `{column}`: {detail}")]
    Row {
        /// The file.
        file: String,
        /// Line, from 1, the header included.
        line: u64,
        /// The column's name in the header.
        column: String,
        /// What is wrong with its value.
        detail: String,
    },
}

/// Bars of one file, in its order. After an error the iteration ends.
pub struct BarReader {
    file: String,
    series: Series,
    stamp: Stamp,
    columns: Columns,
    rows: csv::Reader<BoundedLines<Box<dyn Read + Send>>>,
    row: csv::StringRecord,
    last: Option<Timestamp>,
    failed: bool,
}

impl BarReader {
    /// Opens a file, plain or gzip (told by its first bytes, not its name).
    ///
    /// # Errors
    /// When it cannot be opened, its name says too little, or its header lacks a column.
    pub fn open(path: &Path, options: &CsvOptions) -> Result<Self, CsvError> {
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|source| CsvError::Io { file, source })?;
        Self::new(Box::new(opened), &path.display().to_string(), options)
    }

    /// Reads from anything; `file` is its name, for instrument, timeframe and errors.
    ///
    /// # Errors
    /// As [`BarReader::open`].
    pub fn new(
        input: Box<dyn Read + Send>,
        file: &str,
        options: &CsvOptions,
    ) -> Result<Self, CsvError> {
        let series = name::series(file, options)?;
        let io = |source| CsvError::Io { file: file.to_owned(), source };
        let input = BoundedLines::new(plain(input).map_err(io)?);
        let mut rows =
            csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let header = rows.headers().map_err(|error| read_error(file, error))?;
        let columns = Columns::find(header)
            .map_err(|detail| CsvError::Header { file: file.to_owned(), detail })?;
        Ok(Self {
            file: file.to_owned(),
            series,
            stamp: options.stamp,
            columns,
            rows,
            row: csv::StringRecord::new(),
            last: None,
            failed: false,
        })
    }

    /// What the bars are of.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    fn read(&mut self) -> Option<Result<Bar, CsvError>> {
        match self.rows.read_record(&mut self.row) {
            Ok(false) => None,
            Ok(true) => Some(self.bar().map_err(|(column, detail)| CsvError::Row {
                file: self.file.clone(),
                line: self.row.position().map_or(0, csv::Position::line),
                column,
                detail,
            })),
            Err(error) => Some(Err(read_error(&self.file, error))),
        }
    }

    fn bar(&mut self) -> Result<Bar, (String, String)> {
        let columns = &self.columns;
        let stamp = columns.time.text(&self.row)?;
        let (start, end) = stamp::interval(stamp, self.stamp, self.series.timeframe)
            .map_err(|detail| (columns.time.name.clone(), detail))?;
        if let Some(last) = self.last.filter(|&last| start <= last) {
            let detail = format!("{start} is not after the row before ({last}): sort by time");
            return Err((columns.time.name.clone(), detail));
        }
        let bar = Bar {
            start,
            end,
            open: columns.open.number(&self.row)?,
            high: columns.high.number(&self.row)?,
            low: columns.low.number(&self.row)?,
            close: columns.close.number(&self.row)?,
            volume: columns.volume.as_ref().map_or(Ok(0.0), |c| c.number(&self.row))?,
        };
        if bar.high < bar.low {
            let detail = format!("high {} is below low {}", bar.high, bar.low);
            return Err((columns.high.name.clone(), detail));
        }
        self.last = Some(start);
        Ok(bar)
    }
}

impl Iterator for BarReader {
    type Item = Result<Bar, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.read();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

/// The input, unpacked when it starts with gzip's magic, without a byte order mark.
fn plain(input: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
    let mut input = BufReader::new(input);
    if !input.fill_buf()?.starts_with(&[0x1F, 0x8B]) {
        return without_mark(input);
    }
    without_mark(BufReader::new(flate2::bufread::MultiGzDecoder::new(input)))
}

fn without_mark(mut input: impl BufRead + Send + 'static) -> std::io::Result<Box<dyn Read + Send>> {
    if input.fill_buf()?.starts_with("\u{FEFF}".as_bytes()) {
        input.consume(3);
    }
    Ok(Box::new(input))
}

fn read_error(file: &str, error: csv::Error) -> CsvError {
    let line = error.position().map_or(0, csv::Position::line);
    let detail = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => CsvError::Io { file: file.to_owned(), source },
        csv::ErrorKind::Utf8 { err, .. } => CsvError::Row {
            file: file.to_owned(),
            line,
            column: format!("#{}", err.field() + 1),
            detail: "text is not UTF-8".to_owned(),
        },
        _ => CsvError::Row { file: file.to_owned(), line, column: "#1".to_owned(), detail },
    }
}

#[cfg(test)]
mod tests;
