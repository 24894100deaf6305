//! The tables as JSON Schema: what an event's JSON looks like, for documents that describe it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{EVENT, Enum, Field, Form, Label, Message, Range, Rule, Shape};

/// Largest integer of the contract: what every JSON library reads without loss.
const INTEGER_MAX: u64 = (1 << 53) - 1;

const SPELLING: &str = "An event, as it is written. Also read: integers as strings of digits, enums as numbers, \
                        `null` for what is absent, any text as `id`, and no `id` at all. \
                        docs/spec/event.md has the rules.";

/// The schema of the event and of every message in it, by name. `prefix` comes before a name where
/// one schema refers to another, e.g. `#/components/schemas/`.
#[must_use]
pub fn json_schemas(prefix: &str) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    collect(&EVENT, prefix, &mut schemas);
    if let Some(event) = schemas.get_mut(EVENT.name) {
        event["description"] = json!(SPELLING);
        event["required"] = json!(["source", "produced_at"]);
    }
    schemas
}

fn collect(table: &'static Message, prefix: &str, schemas: &mut BTreeMap<String, Value>) {
    if schemas.contains_key(table.name) {
        return;
    }
    if table.form != Form::Entry {
        // In its place before its fields, so that a message may hold itself.
        schemas.insert(table.name.to_owned(), Value::Null);
        schemas.insert(table.name.to_owned(), message(table, prefix));
    }
    for field in table.fields {
        if let Shape::Message(inner) = field.shape {
            collect(inner, prefix, schemas);
        }
    }
}

fn message(table: &'static Message, prefix: &str) -> Value {
    match (table.form, table.fields) {
        (Form::Only, [only, ..]) => member(only, table.rule, prefix),
        (Form::Bare, [first, ..]) => {
            json!({ "oneOf": [shape(first, prefix), object(table, prefix)] })
        }
        _ => object(table, prefix),
    }
}

fn object(table: &'static Message, prefix: &str) -> Value {
    let mut properties = serde_json::Map::new();
    for field in table.fields {
        let rule = if field.number == 1 { table.rule } else { Rule::Free };
        properties.insert(field.name.to_owned(), member(field, rule, prefix));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if let (Rule::Elements | Rule::Typed, [first, ..]) = (table.rule, table.fields) {
        schema["required"] = json!([first.name]);
    }
    schema
}

/// A field as the member of an object.
fn member(field: &'static Field, rule: Rule, prefix: &str) -> Value {
    let mut schema = match (field.label, field.shape) {
        (Label::Map, Shape::Message(Message { fields: [_, value], .. })) => {
            json!({ "type": "object", "additionalProperties": shape(value, prefix) })
        }
        (Label::Map | Label::Repeated, _) => {
            json!({ "type": "array", "items": shape(field, prefix) })
        }
        (Label::Plain | Label::Optional, _) => shape(field, prefix),
    };
    match (rule, field.label) {
        (Rule::Elements, Label::Map) => schema["minProperties"] = json!(1),
        (Rule::Elements, _) => schema["minItems"] = json!(1),
        (Rule::Typed, _) => schema["minLength"] = json!(1),
        (Rule::Free | Rule::Named | Rule::Reasoned, _) => {}
    }
    schema
}

/// One value of a field.
fn shape(field: &'static Field, prefix: &str) -> Value {
    match field.shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Uint32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Shape::Uint64 => json!({ "type": "integer", "minimum": 0, "maximum": INTEGER_MAX }),
        Shape::Time => json!({ "type": "string", "format": "date-time" }),
        Shape::Double | Shape::Float => match field.range {
            Range::Any => json!({ "type": "number" }),
            Range::Unit => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            Range::Signed => json!({ "type": "number", "minimum": -1, "maximum": 1 }),
        },
        Shape::Text | Shape::Id => json!({ "type": "string" }),
        Shape::Bytes => json!({ "type": "string", "pattern": "^([0-9a-fA-F]{2})*$" }),
        Shape::Enum(names) => choice(names),
        Shape::Message(inner) => json!({ "$ref": format!("{prefix}{}", inner.name) }),
    }
}

/// The names that are known; a number that has none yet passes.
fn choice(names: &Enum) -> Value {
    let known: Vec<&str> =
        names.names.iter().filter(|(number, _)| *number != 0).map(|(_, name)| *name).collect();
    json!({ "oneOf": [{ "type": "string", "enum": known }, { "type": "integer" }] })
}

#[cfg(test)]
mod tests;
