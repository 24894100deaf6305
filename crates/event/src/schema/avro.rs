//! The tables as an Avro record: what [`crate::json::to_uniform_json`] writes, for registries of schemas.
//!
//! Every field may be absent, and absence is its default: a reader that knows some of the fields, or some that are still
//! to come, is compatible in both directions. Enums are texts, for their names grow.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{EVENT, Field, Form, Label, Message, Shape};

/// The record of an event, with those of all messages in it.
#[must_use]
pub fn avro_schema() -> Value {
    record(&EVENT, &mut HashSet::new())
}

/// A message: in full where it comes first, by its name from then on.
fn record(table: &'static Message, known: &mut HashSet<&'static str>) -> Value {
    if !known.insert(table.name) {
        return json!(table.name);
    }
    let fields: Vec<Value> = table.fields.iter().map(|field| member(field, known)).collect();
    json!({ "type": "record", "name": table.name, "fields": fields })
}

fn member(field: &'static Field, known: &mut HashSet<&'static str>) -> Value {
    let kind = match (field.label, field.shape) {
        (Label::Map, Shape::Message(Message { fields: [_, value], .. })) => {
            json!({ "type": "map", "values": shape(value, known) })
        }
        (Label::Map | Label::Repeated, _) => {
            json!({ "type": "array", "items": shape(field, known) })
        }
        (Label::Plain | Label::Optional, _) => shape(field, known),
    };
    json!({ "name": field.name, "type": ["null", kind], "default": null })
}

/// One value of a field.
fn shape(field: &'static Field, known: &mut HashSet<&'static str>) -> Value {
    match field.shape {
        Shape::Bool => json!("boolean"),
        // Avro's `int` ends at 2^31 - 1.
        Shape::Uint32 | Shape::Uint64 => json!("long"),
        Shape::Double => json!("double"),
        Shape::Float => json!("float"),
        Shape::Time | Shape::Text | Shape::Bytes | Shape::Id | Shape::Enum(_) => json!("string"),
        Shape::Message(Message { form: Form::Only, fields: [only, ..], .. }) => {
            json!({ "type": "array", "items": shape(only, known) })
        }
        Shape::Message(inner) => record(inner, known),
    }
}

#[cfg(test)]
mod tests;
