//! Which column is which.

use csv::StringRecord;

const TIME: &[&str] = &["timestamp_utc", "timestamp", "datetime", "date", "time"];

/// One column: its place and the name the header gives it.
pub(super) struct Column {
    index: usize,
    pub(super) name: String,
}

/// The columns a bar is made of.
pub(super) struct Columns {
    pub(super) time: Column,
    pub(super) open: Column,
    pub(super) high: Column,
    pub(super) low: Column,
    pub(super) close: Column,
    pub(super) volume: Option<Column>,
}

impl Columns {
    /// Finds them in a header; the error says what is missing or there twice.
    pub(super) fn find(header: &StringRecord) -> Result<Self, String> {
        let find = |names: &[&str]| find_one(header, names);
        let need = |names: &[&str]| find(names)?.ok_or_else(|| missing(names, header));
        Ok(Self {
            time: need(TIME)?,
            open: need(&["open"])?,
            high: need(&["high"])?,
            low: need(&["low"])?,
            close: need(&["close"])?,
            volume: find(&["volume"])?,
        })
    }
}

fn find_one(header: &StringRecord, names: &[&str]) -> Result<Option<Column>, String> {
    let mut found = header
        .iter()
        .enumerate()
        .filter(|(_, name)| names.iter().any(|n| name.eq_ignore_ascii_case(n)))
        .map(|(index, name)| Column { index, name: name.to_owned() });
    let first = found.next();
    match (&first, found.next()) {
        (Some(one), Some(two)) => {
            Err(format!("columns `{}` and `{}` mean the same; keep one", one.name, two.name))
        }
        _ => Ok(first),
    }
}

fn missing(names: &[&str], header: &StringRecord) -> String {
    let there: Vec<&str> = header.iter().take(20).collect();
    format!(
        "no column {}; there is: {}",
        names.join(" or "),
        there.join(", ").chars().take(200).collect::<String>()
    )
}

impl Column {
    /// The cell in a row, or column and complaint.
    pub(super) fn text<'a>(&self, row: &'a StringRecord) -> Result<&'a str, (String, String)> {
        let cell = row.get(self.index).filter(|cell| !cell.is_empty());
        cell.ok_or_else(|| (self.name.clone(), "is empty".to_owned()))
    }

    /// The cell as a finite number.
    pub(super) fn number(&self, row: &StringRecord) -> Result<f64, (String, String)> {
        let text = self.text(row)?;
        let number = text.parse().ok().filter(|n: &f64| n.is_finite());
        number.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            (self.name.clone(), format!("`{shown}` is not a finite number"))
        })
    }
}
