//! Bars from vendors' files: every row is a bar or an error with its line, and the end is reached.

use std::io::Cursor;

use tidings_market::{BarReader, CsvOptions};

use super::texts;

pub(super) fn run(input: &[u8]) {
    let lines = input.split(|byte| matches!(byte, b'\n' | b'\r')).count();
    let plain = !input.starts_with(&[0x1F, 0x8B]);
    let input = Box::new(Cursor::new(input.to_vec()));
    let Ok(bars) = BarReader::new(input, "AAPL-1d.csv", &CsvOptions::default()) else { return };
    let mut rows = 0;
    let mut last = None;
    for bar in bars {
        rows += 1;
        let Ok(bar) = bar else { break };
        assert!(bar.high >= bar.low && bar.close.is_finite(), "{bar:?}");
        assert!(last < Some(bar.start), "bars come in order of time");
        last = Some(bar.start);
    }
    assert!(!plain || rows <= lines, "{rows} rows in {lines} lines");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Date,Open,High,Low,Close,Volume\n2020-01-02,1.0,2.0,0.5,1.5,100\n2020-01-03,1.5,2,1,1.2,\n",
        "timestamp,open,high,low,close\n1577923200,1,2,1,2\n1578009600000,1,2,1,2\n",
        "\"Date\";\"Open\"\n",
    ])
}
