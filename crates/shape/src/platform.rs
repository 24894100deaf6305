//! The platform's two JSON shapes. **A** is that of its contract (`eventType`), **B** that of its
//! services (`event_type`, or only the object that the event is named after). Neither names a
//! source, a venue or an interval: the request says the first two, the third follows from
//! timeframe and time.

mod anomaly;
mod correlation;
mod indicators;
mod patterns;

use tidings_event::json::tree::Node;
use tidings_event::v1::{self, event::Payload};
use tidings_event::{Code, Refusal, Timestamp, foreign_event_id, json, parse_event_id};

use crate::fields::Fields;
use crate::interval;
use crate::reading::{Given, NewId};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    A,
    B,
}

/// What both shapes tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Indicators,
    Patterns,
    Anomaly,
    Correlation,
}

/// Type in shape A, type in shape B, the object of shape B, what it is about.
const TYPES: [(&str, &str, &str, Topic); 4] = [
    (
        "TechnicalIndicatorComputedEvent",
        "technical_indicator_updated",
        "indicator_update",
        Topic::Indicators,
    ),
    ("PatternDetectedEvent", "pattern_detected", "pattern_detection", Topic::Patterns),
    ("AnomalyDetectedEvent", "anomaly_detected", "anomaly_data", Topic::Anomaly),
    (
        "CorrelationMatrixUpdatedEvent",
        "correlation_matrix_updated",
        "correlation_update",
        Topic::Correlation,
    ),
];

/// Types that the platform has and that no kind is served for.
const RESERVED: [&str; 4] = [
    "InstrumentClusteredEvent",
    "clustering_updated",
    "risk_metrics_computed",
    "multi_timeframe_analysis_completed",
];

impl Shape {
    /// The shape of an object; `None` for canonical JSON.
    pub(crate) fn of(node: Node<'_>) -> Option<Self> {
        for (key, _) in node.members() {
            match key {
                "eventType" => return Some(Self::A),
                "event_type" => return Some(Self::B),
                // What most members of a canonical event are called.
                "id" | "source" | "kind" => return None,
                key if TYPES.iter().any(|(_, _, object, _)| *object == key) => {
                    return Some(Self::B);
                }
                _ => {}
            }
        }
        None
    }
}

impl Topic {
    /// The service that the platform makes such events with.
    fn source(self) -> &'static str {
        match self {
            Self::Indicators => "technical_indicator_service",
            Self::Patterns => "pattern_recognition_service",
            Self::Anomaly => "anomaly_detection_service",
            Self::Correlation => "correlation_analysis_service",
        }
    }

    fn kind(self) -> v1::Kind {
        match self {
            Self::Indicators => v1::Kind::Indicators,
            Self::Patterns => v1::Kind::Patterns,
            Self::Anomaly => v1::Kind::Anomaly,
            Self::Correlation => v1::Kind::Correlation,
        }
    }

    /// Members of shape A beside the envelope's.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Indicators => indicators::MEMBERS,
            Self::Patterns => patterns::MEMBERS,
            Self::Anomaly => anomaly::MEMBERS,
            Self::Correlation => correlation::MEMBERS,
        }
    }
}

/// Members of the envelope in either spelling.
const ENVELOPE: [&str; 8] = [
    "eventType",
    "event_type",
    "eventId",
    "event_id",
    "timestamp",
    "instrument_id",
    "instrumentId",
    "timeframe",
];

/// What a payload is made into: the parts of an event that come of it.
struct Body {
    payload: Payload,
    confidence: Option<f64>,
    severity: v1::Severity,
    /// The time of the bar, where it is another than the event's.
    bar: Option<Timestamp>,
    labels: Vec<(&'static str, String)>,
}

impl Body {
    fn of(payload: Payload) -> Self {
        Self {
            payload,
            confidence: None,
            severity: v1::Severity::Unspecified,
            bar: None,
            labels: Vec::new(),
        }
    }
}

/// The event that an object of a shape is.
pub(crate) fn event(
    shape: Shape,
    node: Node<'_>,
    given: &Given<'_>,
    new_id: NewId<'_>,
) -> Result<v1::Event, Refusal> {
    let outer = Fields::of(node)?;
    let (topic, object) = topic(shape, &outer)?;
    let inner = match shape {
        Shape::A => {
            let known = [&ENVELOPE[..], topic.members()].concat();
            outer.only(&known)?
        }
        Shape::B => {
            outer.only(&[&ENVELOPE[..5], &[object]].concat())?;
            let inner = outer.object(object)?;
            inner
                .ok_or_else(|| outer.missing(object, "the object that the event is named after"))?
        }
    };
    let Some(time) = outer.time("timestamp")? else {
        return Err(outer.missing("timestamp", "the time of the event"));
    };
    let source = given.source.unwrap_or_else(|| topic.source());
    let mut event = v1::Event {
        source: source.to_owned(),
        kind: topic.kind().into(),
        venue: given.venue.unwrap_or_default().to_owned(),
        produced_at: time.0,
        ..v1::Event::default()
    };
    identify(&outer, new_id, &mut event)?;
    let body = match topic {
        Topic::Indicators => indicators::body(shape, &inner)?,
        Topic::Patterns => patterns::body(shape, &inner)?,
        Topic::Anomaly => anomaly::body(shape, &inner)?,
        Topic::Correlation => correlation::body(shape, &inner)?,
    };
    if topic != Topic::Correlation {
        event.instrument = inner.string(inner.either("instrument_id", "instrumentId")?)?;
        place(&inner, given, body.bar.unwrap_or(time), &mut event)?;
    }
    event.confidence = body.confidence;
    event.severity = body.severity.into();
    event.labels = body.labels.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    event.payload = Some(body.payload);
    Ok(event)
}

/// What the event is about, and the object of shape B.
fn topic(shape: Shape, outer: &Fields<'_>) -> Result<(Topic, &'static str), Refusal> {
    let name = outer.either("eventType", "event_type")?;
    let Some(given) = outer.text(name)? else {
        // Shape B without a type: the object says it, and the shape was known by it.
        let object = TYPES.iter().find(|(_, _, object, _)| outer.node(object).is_some());
        let found = object.map(|(_, _, object, topic)| (*topic, *object));
        return found.ok_or_else(|| outer.missing(name, "the type of the event"));
    };
    let known = |(a, b, ..): &&(&'static str, &'static str, _, _)| match shape {
        Shape::A => *a == given,
        Shape::B => *b == given,
    };
    if let Some((_, _, object, topic)) = TYPES.iter().find(known) {
        return Ok((*topic, object));
    }
    if RESERVED.contains(&given) {
        let detail = format!("`{given}` has no kind that is served yet");
        return Err(Refusal::new(Code::KindNotEnabled, detail).at_field(name));
    }
    let shown: String = given.chars().take(80).collect();
    let names = TYPES.iter().map(|(a, b, ..)| if shape == Shape::A { *a } else { *b });
    Err(Refusal::new(Code::KindUnknown, format!("`{shown}` is not a type of this shape"))
        .at_field(name)
        .with_hint(json::did_you_mean(given, names)))
}

fn identify(outer: &Fields<'_>, new_id: NewId<'_>, event: &mut v1::Event) -> Result<(), Refusal> {
    let name = outer.either("eventId", "event_id")?;
    event.id = match outer.text(name)? {
        None => new_id().map_or_else(Vec::new, |id| id.to_vec()),
        Some("") => return Err(outer.invalid(name, "an id is not empty")),
        Some(id) => match parse_event_id(id) {
            Some(id) => id.to_vec(),
            None => {
                id.clone_into(&mut event.origin_id);
                foreign_event_id(&event.source, id).to_vec()
            }
        },
    }
    .into();
    Ok(())
}

/// Timeframe and interval.
fn place(
    inner: &Fields<'_>,
    given: &Given<'_>,
    time: Timestamp,
    event: &mut v1::Event,
) -> Result<(), Refusal> {
    let Some(timeframe) = inner.text("timeframe")? else { return Ok(()) };
    event.timeframe = match given.dialect {
        None => timeframe.to_owned(),
        Some(dialect) => dialect
            .canonical(timeframe)
            .map_err(|refusal| refusal.at_field(""))
            .map_err(|r| inner.within("timeframe", r))?,
    };
    let Some((start, end)) = interval::ended_at(&event.timeframe, time) else {
        let shown: String = timeframe.chars().take(40).collect();
        let detail = format!("`{shown}` is not a timeframe such as 5m, 1h, 1d, 1mo");
        return Err(inner
            .invalid("timeframe", detail)
            .with_hint("name another notation with `dialect`"));
    };
    (event.interval_start, event.interval_end) = (start, end);
    Ok(())
}

#[cfg(test)]
mod tests;
