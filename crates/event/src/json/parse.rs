//! Strict JSON text: no key twice, at most [`DEPTH_MAX`] levels, each fault with its byte.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::scan::fault::join;
use crate::{Code, Refusal};

/// How many arrays and objects may stand in each other.
pub const DEPTH_MAX: usize = 64;

/// Parses one document, and nothing after it.
///
/// # Errors
/// The text is not JSON, repeats a key, or is too deep.
pub fn parse(text: &[u8]) -> Result<Value, Refusal> {
    let refused = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(text);
    let node = Node { depth: 0, refused: &refused };
    let parsed = node.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    parsed.map_err(|error| {
        let at = offset(text, &error);
        let refusal = refused.take().unwrap_or_else(|| malformed(text, at, &error));
        refusal.at_offset(at as u64)
    })
}

/// The byte that the parser's line and column mean.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(text.len())
}

fn malformed(text: &[u8], at: usize, error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail);
    let rest = text.get(at..).unwrap_or_default();
    let word = ["NaN", "Infinity"].iter().any(|word| rest.starts_with(word.as_bytes()));
    if word || detail == "number out of range" {
        return Refusal::new(Code::NumberNotFinite, "JSON has neither NaN nor infinities")
            .with_hint("leave the value out and say why in `status`");
    }
    Refusal::new(Code::JsonMalformed, detail)
}

/// Reads one value at a depth. The parser's error type holds text only, so a refusal of our own
/// waits beside it.
#[derive(Clone, Copy)]
struct Node<'r> {
    depth: usize,
    refused: &'r RefCell<Option<Refusal>>,
}

impl Node<'_> {
    fn refuse<E: Error>(self, refusal: Refusal) -> E {
        let error = E::custom(&refusal.detail);
        self.refused.replace(Some(refusal));
        error
    }

    /// One level deeper.
    fn enter<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            let detail = format!("more than {DEPTH_MAX} arrays and objects in each other");
            return Err(self.refuse(Refusal::new(Code::DepthExceeded, detail)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Puts a refusal's path under one more level.
    fn under<E>(self, outer: &str, error: E) -> E {
        if let Some(refusal) = self.refused.borrow_mut().as_mut() {
            refusal.field = join(outer, &refusal.field);
        }
        error
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.enter()?;
        let mut array = Vec::new();
        loop {
            let element = elements.next_element_seed(inner);
            match element.map_err(|e| self.under(&format!("[{}]", array.len()), e))? {
                Some(element) => array.push(element),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.enter()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                let refusal = Refusal::new(Code::FieldRepeated, "the key stands there twice");
                return Err(self.refuse(refusal.at_field(key)));
            }
            let value = members.next_value_seed(inner).map_err(|e| self.under(&key, e))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
