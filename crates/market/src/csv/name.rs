//! Instrument and timeframe from a file's name: `BTC-PERP-1m.csv.gz` splits at its last `-`.

use super::{CsvError, CsvOptions};
use crate::{Series, Timeframe};

/// Most bytes an instrument may have.
const INSTRUMENT_BYTES_MAX: usize = 50;

/// The series that name and options tell.
pub(super) fn series(file: &str, options: &CsvOptions) -> Result<Series, CsvError> {
    let error = |detail: String| CsvError::Name { file: file.to_owned(), detail };
    let (instrument, timeframe) = from_name(file);
    let instrument = options.instrument.clone().or(instrument);
    let timeframe = options.timeframe.or(timeframe);
    let instrument = instrument
        .filter(|text| {
            (1..=INSTRUMENT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        })
        .ok_or_else(|| error("the name tells no instrument of 1 to 50 bytes".to_owned()))?;
    let timeframe = timeframe.ok_or_else(|| error("the name tells no timeframe".to_owned()))?;
    let venue = options.venue.clone().unwrap_or_default();
    Ok(Series { instrument, venue, timeframe })
}

/// What the name alone tells. Where the part after the last `-` is no timeframe, the whole stem is
/// the instrument.
fn from_name(file: &str) -> (Option<String>, Option<Timeframe>) {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = strip_suffix(strip_suffix(base, ".gz"), ".csv");
    let split = stem.rsplit_once('-').and_then(|(instrument, timeframe)| {
        timeframe.parse().ok().map(|frame| (instrument.to_owned(), frame))
    });
    match split {
        Some((instrument, frame)) => (Some(instrument), Some(frame)),
        None => (Some(stem.to_owned()), None),
    }
}

fn strip_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    let cut = name.len().saturating_sub(suffix.len());
    match (name.get(..cut), name.get(cut..)) {
        (Some(stem), Some(end)) if end.eq_ignore_ascii_case(suffix) => stem,
        _ => name,
    }
}
