//! The context attributes: what each means for an event.

use std::borrow::Cow;

use tidings_event::json::tree::{Kind, Node};
use tidings_event::v1::{self, event::Payload};
use tidings_event::{Code, Refusal, Timestamp, foreign_event_id, json, parse_event_id};

use crate::reading::Given;

/// Kind and the name that the platform has for events of it.
const TYPES: [(v1::Kind, &str); 6] = [
    (v1::Kind::Indicators, "com.quantivista.analysis.indicator.computed.v1"),
    (v1::Kind::Patterns, "com.quantivista.analysis.pattern.detected.v1"),
    (v1::Kind::Anomaly, "com.quantivista.analysis.anomaly.detected.v1"),
    (v1::Kind::Correlation, "com.quantivista.analysis.correlation.updated.v1"),
    (v1::Kind::Summary, "com.quantivista.analysis.summary.updated.v1"),
    (v1::Kind::IntervalComplete, "com.quantivista.analysis.interval.completed.v1"),
];

/// What the version of our schema is called as a `dataschema`.
pub(super) const SCHEMA: &str = "urn:tidings:event:";

/// Attributes that say something of the event; any other is a label.
pub(super) const KNOWN: [&str; 15] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "dataref",
    "partitionkey",
    "keysequence",
    "traceparent",
    "expirytime",
    "severitytext",
    "priority",
];

/// The `type` of a kind: `tidings.indicators.v1`.
pub(super) fn type_of(kind: v1::Kind) -> String {
    format!("tidings.{}.v1", kind.as_str_name().to_ascii_lowercase())
}

/// The kind that a `type` names.
pub(super) fn kind_of(name: &str) -> Result<v1::Kind, Refusal> {
    let is = |(kind, other): &&(v1::Kind, &str)| {
        *other == name || kind.as_str_name() == name || type_of(*kind) == name
    };
    if let Some((kind, _)) = TYPES.iter().find(is) {
        return Ok(*kind);
    }
    let shown: String = name.chars().take(80).collect();
    let names: Vec<String> = TYPES.iter().map(|(kind, _)| type_of(*kind)).collect();
    let near = json::did_you_mean(name, names.iter().map(String::as_str));
    let hint =
        if near.is_empty() { format!("such as `{}`", type_of(v1::Kind::Indicators)) } else { near };
    Err(Refusal::new(Code::KindUnknown, format!("`{shown}` names no kind of event"))
        .at_field("type")
        .with_hint(hint))
}

/// Attributes by name, as text.
#[derive(Debug, Default)]
pub(super) struct Attributes<'t>(Vec<(&'t str, Cow<'t, str>)>);

fn invalid(name: &str, detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::FieldInvalid, detail).at_field(name)
}

impl<'t> Attributes<'t> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_ref())
    }

    /// A member of a JSON object; `null` is absence.
    pub(super) fn put_node(&mut self, name: &'t str, node: Node<'t>) -> Result<(), Refusal> {
        match node.kind() {
            Kind::Null => Ok(()),
            Kind::Text => self.put(name, node.text().unwrap_or_default().into()),
            Kind::Number => self.put(name, node.number().unwrap_or_default().into()),
            Kind::Bool => self.put(name, node.to_string().into()),
            Kind::Array | Kind::Object => {
                Err(invalid(name, "an attribute is a string, a number or a truth value"))
            }
        }
    }

    /// A header: its value is percent-encoded UTF-8.
    pub(super) fn put_header(&mut self, name: &'t str, value: &[u8]) -> Result<(), Refusal> {
        let decoded = percent_decoded(value).and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| invalid(name, "percent-encoded UTF-8 is expected"))?;
        if self.get(name).is_some() {
            let refusal = Refusal::new(Code::FieldRepeated, "the header stands there twice");
            return Err(refusal.at_field(name));
        }
        self.put(name, decoded.into())
    }

    fn put(&mut self, name: &'t str, value: Cow<'t, str>) -> Result<(), Refusal> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            let shown: String = name.chars().take(64).collect();
            let detail = "an attribute's name is lower-case letters and digits";
            return Err(Refusal::new(Code::FieldUnknown, detail).at_field(shown));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Refuses what is not CloudEvents 1.0, or of a schema that is not known.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        for name in ["specversion", "id", "source", "type"] {
            if self.get(name).unwrap_or_default().is_empty() {
                let refusal = Refusal::new(Code::FieldMissing, "every CloudEvent has it");
                return Err(refusal.at_field(name));
            }
        }
        if self.get("specversion") != Some("1.0") {
            return Err(invalid("specversion", "only CloudEvents 1.0 are read"));
        }
        Ok(())
    }

    /// Refuses content that is said to be no JSON.
    pub(super) fn json_content(&self) -> Result<(), Refusal> {
        let media = self.get("datacontenttype").map(media_type);
        match media.as_deref() {
            None | Some("application/json") => Ok(()),
            Some(other) if other.ends_with("+json") => Ok(()),
            Some(_) => Err(invalid("datacontenttype", "`data` is read as application/json only")),
        }
    }

    /// Refuses content that is not said to be Protobuf.
    pub(super) fn protobuf_content(&self) -> Result<(), Refusal> {
        match self.get("datacontenttype").map(media_type).as_deref() {
            Some("application/protobuf" | "application/x-protobuf") => Ok(()),
            _ => Err(invalid(
                "datacontenttype",
                "`data_base64` is read as application/protobuf only",
            )),
        }
    }

    /// Puts into the event what it does not say yet; what it says must be the same.
    pub(super) fn fill(&self, event: &mut v1::Event, given: &Given<'_>) -> Result<(), Refusal> {
        let get = |name| self.get(name).unwrap_or_default();
        agree("source", &mut event.source, get("source"))?;
        self.identify(event)?;
        if !get("subject").is_empty() {
            subject(get("subject"), given, event)?;
        }
        self.times(event)?;
        agree("traceparent", &mut event.traceparent, get("traceparent"))?;
        if let Some(version) = self.get("dataschema") {
            let version = version.strip_prefix(SCHEMA).ok_or_else(|| {
                Refusal::new(Code::NotAvailable, "there is no registry of schemas yet")
                    .at_field("dataschema")
                    .with_hint(format!("leave it out, or send {SCHEMA}1.0"))
            })?;
            // An absent version is 1.0.
            if !(version == "1.0" && event.schema_version.is_empty()) {
                agree("dataschema", &mut event.schema_version, version)?;
            }
        }
        self.numbers(event)?;
        self.dataref(event)?;
        let labels = self.0.iter().filter(|(name, _)| !KNOWN.contains(name));
        for (name, value) in labels {
            agree(name, event.labels.entry((*name).to_owned()).or_default(), value)?;
        }
        self.key(event)
    }

    fn identify(&self, event: &mut v1::Event) -> Result<(), Refusal> {
        let written = self.get("id").unwrap_or_default();
        let id = parse_event_id(written);
        let id = id.unwrap_or_else(|| foreign_event_id(&event.source, written));
        if !event.id.is_empty() && event.id.as_ref() != id {
            return Err(contradiction("id"));
        }
        if parse_event_id(written).is_none() {
            agree("id", &mut event.origin_id, written)?;
        }
        event.id = id.to_vec().into();
        Ok(())
    }

    fn times(&self, event: &mut v1::Event) -> Result<(), Refusal> {
        for (name, slot) in
            [("time", &mut event.produced_at), ("expirytime", &mut event.expires_at)]
        {
            let Some(text) = self.get(name) else { continue };
            let time: Timestamp =
                text.parse().map_err(|error| invalid(name, format!("it is {error}")))?;
            if *slot != 0 && *slot != time.0 {
                return Err(contradiction(name));
            }
            *slot = time.0;
        }
        Ok(())
    }

    fn numbers(&self, event: &mut v1::Event) -> Result<(), Refusal> {
        if let Some(text) = self.get("keysequence") {
            let digits = text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|n| digits && *n <= json::INTEGER_MAX);
            let number =
                number.ok_or_else(|| invalid("keysequence", "at most 20 digits, below 2^53"))?;
            if event.key_seq.is_some_and(|said| said != number) {
                return Err(contradiction("keysequence"));
            }
            event.key_seq = Some(number);
        }
        if let Some(text) = self.get("priority") {
            let number = text.parse().map_err(|_| invalid("priority", "0 to 9"))?;
            if event.priority != 0 && event.priority != number {
                return Err(contradiction("priority"));
            }
            event.priority = number;
        }
        if let Some(text) = self.get("severitytext") {
            let severity = v1::Severity::from_str_name(&text.to_ascii_uppercase());
            let severity =
                severity.ok_or_else(|| invalid("severitytext", "LOW, MEDIUM, HIGH or CRITICAL"))?;
            if event.severity != 0 && event.severity != i32::from(severity) {
                return Err(contradiction("severitytext"));
            }
            event.severity = severity.into();
        }
        Ok(())
    }

    /// Where a correlation lies; nothing else can lie elsewhere.
    fn dataref(&self, event: &mut v1::Event) -> Result<(), Refusal> {
        let Some(place) = self.get("dataref") else { return Ok(()) };
        let Some(Payload::Correlation(correlation)) = &mut event.payload else {
            return Err(Refusal::new(Code::NotAvailable, "only a correlation may lie elsewhere")
                .at_field("dataref")
                .with_hint("send the payload as data"));
        };
        agree("dataref", &mut correlation.dataref, place)
    }

    /// The partition's key follows from the event: what is said must be that.
    fn key(&self, event: &mut v1::Event) -> Result<(), Refusal> {
        let Some(given) = self.get("partitionkey") else { return Ok(()) };
        if let Some(Payload::Correlation(correlation)) = &mut event.payload {
            return agree("partitionkey", &mut correlation.matrix_id, given);
        }
        if event.instrument.is_empty() {
            let (venue, instrument) = key(given);
            agree("partitionkey", &mut event.venue, venue)?;
            return agree("partitionkey", &mut event.instrument, instrument);
        }
        if given == key_of(event) || given == event.instrument {
            return Ok(());
        }
        Err(contradiction("partitionkey").with_hint(format!("it is `{}`", key_of(event))))
    }
}

/// `XNAS:AAPL`; for a correlation the matrix.
pub(super) fn key_of(event: &v1::Event) -> String {
    match &event.payload {
        Some(Payload::Correlation(correlation)) => correlation.matrix_id.clone(),
        _ if event.venue.is_empty() => format!("XXXX:{}", event.instrument),
        _ => format!("{}:{}", event.venue, event.instrument),
    }
}

/// `XNAS:AAPL/5m`; without a timeframe, the key.
pub(super) fn subject_of(event: &v1::Event) -> String {
    let key = key_of(event);
    if event.timeframe.is_empty() { key } else { format!("{key}/{}", event.timeframe) }
}

/// Venue, empty where it is none or `XXXX`, and instrument of a key.
fn key(text: &str) -> (&str, &str) {
    let venue = |venue: &str| {
        venue.len() == 4 && venue.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    match text.split_once(':') {
        Some(("XXXX", instrument)) => ("", instrument),
        Some((mic, instrument)) if venue(mic) => (mic, instrument),
        _ => ("", text),
    }
}

/// Reads `XNAS:AAPL/5m`.
fn subject(text: &str, given: &Given<'_>, event: &mut v1::Event) -> Result<(), Refusal> {
    if text == subject_of(event) {
        return Ok(());
    }
    let timeframe = |text: &str| match given.dialect {
        Some(dialect) => dialect.canonical(text).ok(),
        None => crate::interval::is_timeframe(text).then(|| text.to_owned()),
    };
    let framed = text.rsplit_once('/');
    let framed = framed.and_then(|(key, frame)| Some((key, timeframe(frame)?)));
    let (rest, frame) = framed.map_or((text, None), |(key, frame)| (key, Some(frame)));
    if let Some(Payload::Correlation(correlation)) = &mut event.payload {
        return agree("subject", &mut correlation.matrix_id, text);
    }
    let (venue, instrument) = key(rest);
    agree("subject", &mut event.venue, venue)?;
    agree("subject", &mut event.instrument, instrument)?;
    agree("subject", &mut event.timeframe, &frame.unwrap_or_default())
}

/// Takes what an attribute says where nothing is said yet.
fn agree(name: &str, slot: &mut String, given: &str) -> Result<(), Refusal> {
    if slot.is_empty() {
        given.clone_into(slot);
    } else if !given.is_empty() && slot != given {
        return Err(contradiction(name));
    }
    Ok(())
}

fn contradiction(name: &str) -> Refusal {
    invalid(name, "the attribute and the data contradict each other")
}

fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Bytes without percent signs, or `None` where two digits do not follow one.
fn percent_decoded(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(out)
}
