//! Who is expected to publish: lists in the configuration, and in files that it names.

use std::path::Path;

use tidings_event::key::NO_VENUE;
use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_insight::Declared;

use super::ConfigError;
use super::layers::invalid;
use super::written::{WrittenExpected, WrittenIntervals};

/// Most bytes of a file of instruments.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Checks the section, and reads its lists.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn declared(written: &WrittenIntervals) -> Result<Vec<Declared>, ConfigError> {
    let value = |key, value: u64, rule| ConfigError::Value { key, value: value.to_string(), rule };
    let from = written.learn_from as u64;
    if !(1..=8).contains(&from) {
        return Err(value("intervals.learn_from", from, "it must be 1 to 8"));
    }
    let least = written.learn_least as u64;
    if !(1..=from).contains(&least) {
        return Err(value("intervals.learn_least", least, "it must be 1 to intervals.learn_from"));
    }
    super::at_least_one("intervals.intervals_max", written.intervals_max as u64)?;
    super::at_least_one("intervals.instruments_max", written.instruments_max as u64)?;
    let lists = written.expected.iter().enumerate();
    let lists: Vec<Declared> = lists.map(|(at, list)| read(at, list)).collect::<Result<_, _>>()?;
    let names: usize = lists.iter().map(|list| list.instruments.len()).sum();
    if names > written.instruments_max {
        let rule = "intervals.expected names more instruments than that";
        return Err(value("intervals.instruments_max", written.instruments_max as u64, rule));
    }
    Ok(lists)
}

fn read(at: usize, list: &WrittenExpected) -> Result<Declared, ConfigError> {
    let wrong = |problem: &str| invalid(format!("intervals.expected[{at}]"), problem);
    let venue = place(&list.venue, &list.timeframe).map_err(wrong)?;
    let mut instruments = list.instruments.clone();
    if let Some(file) = &list.file {
        instruments.extend(lines(file)?);
    }
    if instruments.is_empty() {
        return Err(wrong("name at least one instrument in `instruments` or `file`"));
    }
    if !are_instruments(&instruments) {
        return Err(wrong(NOT_INSTRUMENTS));
    }
    Ok(Declared {
        tenant: DEFAULT_TENANT.to_owned(),
        venue: venue.to_owned(),
        timeframe: list.timeframe.clone(),
        instruments,
    })
}

/// What is wrong with names that are not those of instruments.
pub(super) const NOT_INSTRUMENTS: &str = "an instrument has 1 to 50 bytes";

/// Whether all of these may be names of instruments.
pub(super) fn are_instruments(names: &[String]) -> bool {
    names.iter().all(|name| (1..=50).contains(&name.len()))
}

/// A venue, `XXXX` for none, where it and a timeframe may be an event's.
///
/// # Errors
/// What is wrong.
pub(super) fn place<'a>(venue: &'a str, timeframe: &str) -> Result<&'a str, &'static str> {
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let is_mic = venue.len() == 4 && venue.bytes().all(upper);
    if !venue.is_empty() && !is_mic {
        return Err("`venue` has four characters of A-Z and 0-9, or is left out");
    }
    if !timeframe.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("`timeframe` is a number and a unit, such as \"5m\"");
    }
    Ok(if venue.is_empty() { NO_VENUE } else { venue })
}

/// One instrument a line; empty lines and what follows a `#` do not count.
fn lines(file: &Path) -> Result<Vec<String>, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { file: file.to_owned(), reason };
    let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {size} bytes, at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
