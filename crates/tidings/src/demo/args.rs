//! What the demo may be told.

use std::path::PathBuf;
use std::time::Duration;

use tidings_market::{Stamp, Timeframe};

/// What the demo may be told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// How long to publish, e.g. 20s or 2m.
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Instruments in the generated market.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) instruments: u32,
    /// Keep the data here instead of in a temporary folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Bars to use instead of a generated market, named INSTRUMENT-TIMEFRAME.csv[.gz]; repeatable.
    /// As fast as it goes; ends with the files.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Vec<PathBuf>,
    /// What the time of a row means: the bar's open or close.
    #[arg(long, value_name = "open|close", default_value = "open", requires = "csv")]
    pub(crate) time: Stamp,
    /// ISO 10383 code of the files' venue.
    #[arg(long, requires = "csv")]
    pub(crate) venue: Option<String>,
    /// Instrument, where the file's name does not say.
    #[arg(long, requires = "csv")]
    pub(crate) instrument: Option<String>,
    /// Timeframe, where the file's name does not say.
    #[arg(long, requires = "csv")]
    pub(crate) timeframe: Option<Timeframe>,
}

impl DemoArgs {
    /// Length of a timed run; `None` when it ends with its files.
    pub(super) fn length(&self) -> Option<Duration> {
        self.csv.is_empty().then_some(self.duration)
    }
}

/// A whole number of seconds, or one with `s`, `m` or `h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let scale = match unit {
        "m" => 60,
        "h" => 3600,
        _ => 1,
    };
    let seconds: Option<u64> = number.parse().ok().and_then(|n: u64| n.checked_mul(scale));
    let seconds = seconds.filter(|s| (1..=86_400).contains(s));
    let seconds = seconds.ok_or_else(|| format!("`{text}` is not a time from 1s to 24h"))?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
