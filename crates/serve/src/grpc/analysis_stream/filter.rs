//! Which events a stream wants, told from their envelopes.

use std::collections::HashSet;

use tidings_event::v1::Kind;
use tidings_event::{Code, Refusal, scan};
use tidings_wire::v1;

/// Most names of one list, and bytes of one name.
const NAMES_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 200;

/// Empty sets let everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    symbols: HashSet<String>,
    kinds: HashSet<i32>,
    timeframes: HashSet<String>,
}

impl Filter {
    pub(super) fn new(asked: &v1::StreamRequest) -> Result<Self, Refusal> {
        Ok(Self {
            symbols: names("symbols", &asked.symbols)?,
            kinds: kinds(&asked.data_types)?,
            timeframes: names("timeframes", &asked.timeframes)?,
        })
    }

    /// Whether the stream is given this event. A correlation goes by its matrix id, and an event
    /// without the thing asked for does not pass.
    pub(super) fn takes(&self, event: &[u8]) -> bool {
        if self.symbols.is_empty() && self.kinds.is_empty() && self.timeframes.is_empty() {
            return true;
        }
        // What is stored was scanned on its way in; one that cannot be read is not held back.
        let Ok(envelope) = scan(event) else { return true };
        let symbol = match envelope.kind {
            Kind::Correlation => envelope.matrix_id,
            _ => envelope.instrument,
        };
        (self.symbols.is_empty() || self.symbols.contains(symbol))
            && (self.kinds.is_empty() || self.kinds.contains(&envelope.kind.into()))
            && (self.timeframes.is_empty() || self.timeframes.contains(envelope.timeframe))
    }
}

fn names(field: &str, asked: &[String]) -> Result<HashSet<String>, Refusal> {
    let invalid = |detail: String, field: String| {
        Err(Refusal::new(Code::FieldInvalid, detail).at_field(field))
    };
    if asked.len() > NAMES_MAX {
        return invalid(format!("{} names, at most {NAMES_MAX}", asked.len()), field.to_owned());
    }
    let wrong = |name: &String| name.is_empty() || name.len() > NAME_BYTES_MAX;
    if let Some(at) = asked.iter().position(wrong) {
        let detail = format!("a name has 1 to {NAME_BYTES_MAX} bytes");
        return invalid(detail, format!("{field}[{at}]"));
    }
    Ok(asked.iter().cloned().collect())
}

fn kinds(asked: &[i32]) -> Result<HashSet<i32>, Refusal> {
    let known = |number: i32| Kind::try_from(number).is_ok_and(|kind| kind != Kind::Unspecified);
    match asked.iter().position(|&number| !known(number)) {
        None => Ok(asked.iter().copied().collect()),
        Some(at) => Err(Refusal::new(Code::KindUnknown, format!("{} is not a kind", asked[at]))
            .at_field(format!("data_types[{at}]"))),
    }
}

#[cfg(test)]
mod tests;
