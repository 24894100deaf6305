//! The document says something of everything, and only what is true.

use serde_json::Value;

use super::{CODES, codes, document};

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations.collect()
}

#[test]
fn every_operation_is_described_and_every_name_stands_for_something() {
    let raw = serde_json::to_value(crate::rest::described()).unwrap();
    for (name, operation) in operations(&raw) {
        let named = operation.get(CODES).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let named: Vec<String> = serde_json::from_value(named).unwrap();
        assert_eq!(codes::unknown(&named), Vec::<&String>::new(), "{name}");
    }
    let document: Value = serde_json::from_slice(&document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let all = operations(&document);
    assert!(all.len() > 30, "{}", all.len());
    let mut ids = Vec::new();
    for (name, operation) in all {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert!(operation["tags"][0].is_string(), "{name}");
        assert!(operation["responses"]["500"].is_object(), "{name}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let about = parameter["description"].as_str();
            assert!(about.is_some_and(|text| !text.is_empty()), "{name} {parameter}");
        }
        ids.extend(operation["operationId"].as_str());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are used once");
}

#[test]
fn every_reference_has_its_target() {
    let text = String::from_utf8(document().to_vec()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for target in text.split("\"#/components/schemas/").skip(1) {
        let name = target.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let event = &document["components"]["schemas"]["Event"];
    assert!(event["properties"]["indicators"].is_object(), "{event}");
}
