//! A merge patch (RFC 7396) of a subscription's document.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tidings_catalog::SubscriptionSpec;
use tidings_event::{Code, Refusal};
use tidings_wire::input;
use tidings_wire::rest::{SubscriptionPatch, SubscriptionRequest};

use super::document;

/// A patch that says nothing unknown.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    members: Map<String, Value>,
    /// Instead of those there are.
    labels: Option<BTreeMap<String, String>>,
}

impl Patch {
    /// Reads a patch strictly; what it asks for is judged when it is applied.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Refusal> {
        let _known: SubscriptionPatch = input::read(text)?;
        Self::of(serde_json::from_slice(text))
    }

    /// A patch of members that are known.
    pub(crate) fn from_members(members: Map<String, Value>) -> Self {
        Self { members, labels: None }
    }

    /// All labels, instead of those there are.
    pub(crate) fn replace_labels(&mut self, labels: BTreeMap<String, String>) {
        self.labels = Some(labels);
    }

    fn of(read: serde_json::Result<Value>) -> Result<Self, Refusal> {
        match read {
            Ok(Value::Object(members)) => Ok(Self::from_members(members)),
            _ => Err(Refusal::new(Code::FieldInvalid, "the document is not a JSON object")),
        }
    }

    /// What a subscription asks for when its document is changed so.
    pub(crate) fn apply(self, spec: &SubscriptionSpec) -> Result<SubscriptionSpec, Refusal> {
        let unwritable =
            |error: serde_json::Error| Refusal::new(Code::Internal, format!("patch: {error}"));
        let mut whole = serde_json::to_value(document::request(spec)).map_err(unwritable)?;
        merge(&mut whole, Value::Object(self.members));
        let text = serde_json::to_vec(&whole).map_err(unwritable)?;
        let wanted: SubscriptionRequest = input::read(&text)?;
        let wanted = match self.labels {
            Some(labels) => SubscriptionRequest { labels, ..wanted },
            None => wanted,
        };
        document::spec(wanted)
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in members {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests;
