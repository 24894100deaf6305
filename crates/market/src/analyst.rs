//! Follows one series: every bar in, every event about it out.

use tidings_event::{Timestamp, v1};

use crate::detect::{Anomalies, Patterns};
use crate::{Author, Bar, Indicators, Readings, Revision, Series};

/// Indicators and detectors of one series.
#[derive(Clone, Debug)]
pub struct Analyst {
    series: Series,
    indicators: Indicators,
    patterns: Patterns,
    anomalies: Anomalies,
    /// Reports about the forming bar so far.
    revision: u16,
}

impl Analyst {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(series: Series) -> Self {
        Self {
            series,
            indicators: Indicators::default(),
            patterns: Patterns::default(),
            anomalies: Anomalies::default(),
            revision: 0,
        }
    }

    /// Whose bars these are.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Reports on a finished bar: its indicators, and a pattern and an anomaly where there is one.
    pub fn finished(
        &mut self,
        bar: &Bar,
        author: &mut Author,
        now: Timestamp,
        out: &mut Vec<v1::Event>,
    ) -> Readings {
        let readings = self.indicators.push(bar);
        let revision = Revision { number: std::mem::take(&mut self.revision), is_final: true };
        out.push(author.indicators(&self.series, bar, &readings, revision, now));
        if let Some(pattern) = self.patterns.push(bar) {
            out.push(author.pattern(&self.series, bar, pattern, now));
        }
        if let Some((severity, anomaly)) = self.anomalies.push(bar) {
            out.push(author.anomaly(&self.series, bar, severity, anomaly, now));
        }
        readings
    }

    /// Reports on a bar that is still forming; a later report supersedes this one.
    pub fn forming(&mut self, bar: &Bar, author: &mut Author, now: Timestamp) -> v1::Event {
        let readings = self.indicators.clone().push(bar);
        let revision = Revision { number: self.revision, is_final: false };
        self.revision = self.revision.saturating_add(1);
        author.indicators(&self.series, bar, &readings, revision, now)
    }
}
