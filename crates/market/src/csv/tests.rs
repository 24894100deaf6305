//! CSV: what vendors write is read, what is wrong is named by file, line and column.

use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::{BarReader, CsvError, CsvOptions, LINE_BYTES_MAX, Stamp};
use crate::Bar;

fn read(name: &str, bytes: &[u8], options: &CsvOptions) -> Result<Vec<Bar>, CsvError> {
    BarReader::new(Box::new(Cursor::new(bytes.to_vec())), name, options)?.collect()
}

/// One row: (start, end, close, volume) as text.
#[track_caller]
fn check(name: &str, csv: &str, options: &CsvOptions, want: (&str, &str, f64, f64)) {
    let bars = read(name, csv.as_bytes(), options).unwrap();
    let bar = bars[0];
    let got = (bar.start.to_string(), bar.end.to_string(), bar.close, bar.volume);
    assert_eq!(got, (want.0.to_owned(), want.1.to_owned(), want.2, want.3));
}

#[track_caller]
fn check_refused(name: &str, csv: &str, want: &str) {
    let error = read(name, csv.as_bytes(), &CsvOptions::default()).unwrap_err().to_string();
    assert!(error.contains(want), "{error}");
}

#[test]
fn headers_and_times_of_several_vendors_are_read() {
    let default = CsvOptions::default();
    check(
        "AAPL-1d.csv",
        "Date,Open,High,Low,Close,Volume,Adj Close\n2000-03-01,1,3,0.5,2,38478000,9\n",
        &default,
        ("2000-03-01T00:00:00Z", "2000-03-02T00:00:00Z", 2.0, 38_478_000.0),
    );
    check(
        "6EH4-1m.csv",
        "timestamp_utc,open,high,low,close,volume\n2024-01-01 23:01:00,1,3,0.5,2,205\n",
        &default,
        ("2024-01-01T23:01:00Z", "2024-01-01T23:02:00Z", 2.0, 205.0),
    );
    check(
        "dir.with-dash/BTC-PERP-1m.CSV",
        "VOLUME, Close ,LOW,HIGH,OPEN,TIMESTAMP\r\n9.7295,2,0.5,3,1,2021-12-31 23:01:00.250000\r\n",
        &default,
        ("2021-12-31T23:01:00.25Z", "2021-12-31T23:02:00.25Z", 2.0, 9.7295),
    );
    check(
        "EURUSD-1h.csv",
        "\u{FEFF}datetime,open,high,low,close\n2024-01-01T02:00:00+02:00,1,3,0.5,2\n",
        &default,
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", 2.0, 0.0),
    );
}

#[test]
fn options_win_over_the_name_and_close_stamps_end_the_bar() {
    let options = CsvOptions {
        instrument: Some("EUR/USD".to_owned()),
        timeframe: Some("1mo".parse().unwrap()),
        venue: Some("XCME".to_owned()),
        stamp: Stamp::Close,
    };
    let csv = "date,open,high,low,close\n2024-03-01,1,3,0.5,2\n";
    check("x.csv", csv, &options, ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", 2.0, 0.0));
    let reader = BarReader::new(Box::new(Cursor::new(csv)), "AAPL-1d.csv", &options).unwrap();
    assert_eq!(reader.series().instrument, "EUR/USD");
    assert_eq!(reader.series().venue, "XCME");
}

#[test]
fn gzip_is_told_by_its_magic() {
    let csv = b"date,open,high,low,close\n2024-03-01,1,3,0.5,2\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(csv).unwrap();
    let packed = packed.finish().unwrap();
    let default = CsvOptions::default();
    assert_eq!(
        read("A-1d.csv", &packed, &default).unwrap(),
        read("A-1d.csv", csv, &default).unwrap()
    );
    assert!(matches!(
        read("A-1d.csv.gz", &packed[..packed.len() - 9], &default),
        Err(CsvError::Io { .. })
    ));
}

#[test]
fn errors_name_file_line_and_column() {
    let head = "date,open,high,low,close\n2024-03-01,1,3,0.5,2\n";
    let row = |row: &str| format!("{head}{row}\n");
    check_refused("A-1d.csv", &row("2024-03-02,1,x,0.5,2"), "A-1d.csv, line 3, column `high`: `x`");
    check_refused("A-1d.csv", &row("2024-03-02,1,3,0.5"), "column `close`: is empty");
    check_refused("A-1d.csv", &row("2024-03-02,1,3,inf,2"), "column `low`: `inf` is not a finite");
    check_refused("A-1d.csv", &row("2024-02-30,1,3,1,2"), "column `date`: `2024-02-30` is not");
    check_refused("A-1d.csv", &row("1969-02-01,1,3,1,2"), "column `date`");
    check_refused("A-1d.csv", &row("2024-03-01,1,3,1,2"), "is not after the row before");
    check_refused("A-1d.csv", &row("2024-03-02,1,3,4,2"), "high 3 is below low 4");
    check_refused("A-1d.csv", "date,open,high,close\n", "no column low; there is: date, open");
    check_refused("A-1d.csv", "date,Date,open,high,low,close\n", "mean the same");
    check_refused("A-1d.csv", "", "no column timestamp_utc or");
    check_refused("AAPL.csv", head, "tells no timeframe");
    check_refused("-1d.csv", head, "tells no instrument");
    let long = "9".repeat(LINE_BYTES_MAX + 1);
    check_refused("A-1d.csv", &row(&long), "line 3 is longer than 65536 bytes");
}

#[test]
fn reading_ends_after_an_error() {
    let csv = "date,open,high,low,close\nx,1,1,1,1\n2024-03-01,1,1,1,1\n";
    let options = CsvOptions::default();
    let reader = BarReader::new(Box::new(Cursor::new(csv)), "A-1d.csv", &options);
    assert_eq!(reader.unwrap().count(), 1);
}

proptest! {
    #[test]
    fn no_input_panics(name in ".{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _bars = read(&name, &bytes, &CsvOptions::default());
        let mut file = b"date,open,high,low,close,volume\n".to_vec();
        file.extend(bytes);
        let _bars = read("A-1mo.csv", &file, &CsvOptions::default());
    }

    #[test]
    fn nearly_right_rows_never_panic(
        time in "[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?(\\.[0-9]{0,9})?",
        numbers in prop::collection::vec("-?[0-9]{0,4}(\\.[0-9]{0,3})?(e[0-9]{1,3})?", 5),
        close in any::<bool>(),
        frame in "[0-9]{1,6}(s|m|h|d|w|mo)",
    ) {
        let file = format!("date,open,high,low,close,volume\n{time},{}\n", numbers.join(","));
        let stamp = if close { Stamp::Close } else { Stamp::Open };
        let options = CsvOptions { stamp, ..CsvOptions::default() };
        for bar in read(&format!("A-{frame}.csv"), file.as_bytes(), &options).into_iter().flatten() {
            prop_assert!(bar.start < bar.end && bar.close.is_finite() && bar.high >= bar.low);
        }
    }
}
