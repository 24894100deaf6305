//! Any event that is accepted is what the record says, and reads back as itself.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Value;

use super::avro_schema;
use crate::json::{json_to_canonical, to_uniform_json};
use crate::{encode, sample};

/// Named records, as a reader of the schema collects them.
fn names<'a>(schema: &'a Value, found: &mut HashMap<&'a str, &'a Value>) {
    match schema {
        Value::Object(members) => {
            if members.get("type").is_some_and(|kind| kind == "record") {
                let name = members["name"].as_str().unwrap();
                assert!(found.insert(name, schema).is_none(), "{name} is defined twice");
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
            }
            members.values().for_each(|member| names(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// Whether plain JSON is of a type, as Pulsar's clients read it: a union is whatever of it fits.
fn is_of(value: &Value, schema: &Value, names: &HashMap<&str, &Value>) -> bool {
    match schema {
        Value::Array(union) => union.iter().any(|one| is_of(value, one, names)),
        Value::String(name) => match name.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "long" => value.as_i64().is_some(),
            "double" | "float" => value.is_number(),
            "string" => value.is_string(),
            name => is_of(value, names[name], names),
        },
        Value::Object(object) if object["type"] == "array" => value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| is_of(item, &object["items"], names))),
        Value::Object(object) if object["type"] == "map" => value
            .as_object()
            .is_some_and(|members| members.values().all(|v| is_of(v, &object["values"], names))),
        Value::Object(object) => {
            let fields = object["fields"].as_array().unwrap();
            let field = |name: &str| fields.iter().find(|field| field["name"] == name);
            value.as_object().is_some_and(|members| {
                members
                    .iter()
                    .all(|(name, v)| field(name).is_some_and(|f| is_of(v, &f["type"], names)))
            })
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn whatever_is_written_uniformly_is_of_the_record(event in sample::event()) {
        let schema = avro_schema();
        let mut found = HashMap::new();
        names(&schema, &mut found);
        let bytes = encode(&event);
        let text = to_uniform_json(&bytes).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(is_of(&value, &schema, &found), "{text}");
        match json_to_canonical(text.as_bytes()) {
            Ok(read) => prop_assert_eq!(read, bytes, "{}", text),
            // A number that has no name yet is written as a text.
            Err(refusal) => prop_assert!(refusal.to_string().contains(" has no \""), "{}", refusal),
        }
    }
}

#[test]
fn every_field_may_be_absent_so_that_readers_of_some_of_them_are_compatible() {
    let schema = avro_schema();
    let mut found = HashMap::new();
    names(&schema, &mut found);
    assert_eq!((schema["name"].as_str(), found.len()), (Some("Event"), 11));
    for record in found.values() {
        for field in record["fields"].as_array().unwrap() {
            assert_eq!((&field["type"][0], &field["default"]), (&"null".into(), &Value::Null));
        }
    }
}
