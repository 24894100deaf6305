//! The schemas name every message and field of the tables.

use serde_json::json;

use super::json_schemas;

#[test]
fn every_message_has_its_schema_and_every_reference_its_target() {
    let schemas = json_schemas("#/s/");
    for name in ["Event", "Indicators", "Value", "Patterns", "Pattern", "Summary", "KeyPoint"] {
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(schemas.keys().all(|name| !name.contains("Entry")), "{:?}", schemas.keys());
    let text = serde_json::to_string(&schemas).unwrap();
    for target in text.split("\"#/s/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(schemas.contains_key(target), "{target}");
    }
}

#[test]
fn forms_and_rules_are_told() {
    let schemas = json_schemas("");
    let event = &schemas["Event"];
    assert_eq!(event["properties"]["labels"]["additionalProperties"], json!({"type": "string"}));
    assert_eq!(event["properties"]["confidence"]["maximum"], 1);
    assert_eq!(event["properties"]["kind"]["oneOf"][0]["enum"][0], "INDICATORS");
    assert_eq!(event["properties"]["indicators"]["$ref"], "Indicators");
    let values = &schemas["Indicators"]["properties"]["values"];
    assert_eq!((&values["minProperties"], &values["type"]), (&json!(1), &json!("object")));
    assert_eq!(schemas["Value"]["oneOf"][0], json!({"type": "number"}));
    assert_eq!(
        (&schemas["Patterns"]["type"], &schemas["Patterns"]["minItems"]),
        (&json!("array"), &json!(1))
    );
    assert_eq!(schemas["Pattern"]["required"], json!(["type"]));
}
