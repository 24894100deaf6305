//! Topic templates: which topic an event belongs to, and which values make one.

use std::time::Duration;

use tidings_event::v1::Kind;
use tidings_log::Retention;

use crate::settings::CatalogSettings;

/// What stands in braces in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The event's timeframe.
    Timeframe,
    /// `high`, `medium`, `low` or `unrated`.
    ConfidenceTier,
    /// Severity of an anomaly.
    Severity,
    /// Kind of a correlation.
    CorrelationKind,
}

impl Placeholder {
    /// Its name, as between the braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeframe => "timeframe",
            Self::ConfidenceTier => "confidence_tier",
            Self::Severity => "severity",
            Self::CorrelationKind => "correlation_kind",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Timeframe, Self::ConfidenceTier, Self::Severity, Self::CorrelationKind]
            .into_iter()
            .find(|p| p.name() == name)
    }

    /// Whether a template makes a topic for this value.
    #[must_use]
    pub fn allows(self, value: &str, settings: &CatalogSettings) -> bool {
        match self {
            Self::Timeframe => settings.timeframes.iter().any(|t| t == value),
            Self::ConfidenceTier => matches!(value, "high" | "medium" | "low" | "unrated"),
            Self::Severity => matches!(value, "low" | "medium" | "high" | "critical" | "unrated"),
            Self::CorrelationKind => matches!(value, "full" | "cluster" | "pairs" | "unrated"),
        }
    }
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Stands for itself.
    Literal(String),
    /// Stands for a value of the event.
    Value(Placeholder),
}

/// A rule that places events of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// E.g. `analysis/indicators/{timeframe}`.
    pub pattern: String,
    /// The kind it places.
    pub kind: Kind,
    /// Retention of the topics it makes.
    pub retention: Retention,
    /// Partitions of the topics it makes.
    pub partitions: u32,
    segments: Vec<Segment>,
}

impl Template {
    /// A template from its pattern; `None` where a placeholder does not exist.
    #[must_use]
    pub fn new(pattern: &str, kind: Kind, retention: Retention, partitions: u32) -> Option<Self> {
        let segments = pattern
            .split('/')
            .map(|text| match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
                Some(name) => Placeholder::parse(name).map(Segment::Value),
                None => Some(Segment::Literal(text.to_owned())),
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { pattern: pattern.to_owned(), kind, retention, partitions, segments })
    }

    /// Its segments, in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The path for an event's values.
    #[must_use]
    pub fn path<'v>(&self, value: impl Fn(Placeholder) -> &'v str) -> String {
        let mut path = String::with_capacity(self.pattern.len());
        for segment in &self.segments {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(match segment {
                Segment::Literal(text) => text,
                Segment::Value(placeholder) => value(*placeholder),
            });
        }
        path
    }

    /// The values a path gives this template's placeholders; `None` when it is not of its shape.
    #[must_use]
    pub fn values<'p>(&self, path: &'p str) -> Option<Vec<(Placeholder, &'p str)>> {
        let mut texts = path.split('/');
        let mut values = Vec::new();
        for segment in &self.segments {
            let text = texts.next()?;
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Literal(_) => return None,
                Segment::Value(placeholder) => values.push((*placeholder, text)),
            }
        }
        texts.next().is_none().then_some(values)
    }

    /// The value of a path that is not configured, with its placeholder; `None` when all are.
    #[must_use]
    pub fn unconfigured<'p>(
        &self,
        path: &'p str,
        settings: &CatalogSettings,
    ) -> Option<(Placeholder, &'p str)> {
        let values = self.values(path)?;
        values.into_iter().find(|(placeholder, value)| !placeholder.allows(value, settings))
    }
}

/// The templates of a first start.
pub(crate) fn defaults(partitions: u32) -> Vec<Template> {
    let table = [
        ("analysis/indicators/{timeframe}", Kind::Indicators, 7),
        ("analysis/patterns/{confidence_tier}/{timeframe}", Kind::Patterns, 90),
        ("analysis/anomalies/{severity}", Kind::Anomaly, 30),
        ("analysis/correlations/{correlation_kind}", Kind::Correlation, 365),
        ("analysis/summaries", Kind::Summary, 7),
        ("analysis/intervals/{timeframe}", Kind::IntervalComplete, 7),
    ];
    let made = table.iter().filter_map(|&(pattern, kind, days)| {
        let retention = Retention { age: Duration::from_secs(days * 86_400), bytes: None };
        Template::new(pattern, kind, retention, partitions)
    });
    made.collect()
}
