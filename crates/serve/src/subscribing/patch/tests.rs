//! Patches of documents: RFC 7396's own examples, and what becomes of a subscription.

use serde_json::json;
use tidings_catalog::{Mode, Start};

use super::*;

#[test]
fn the_examples_of_rfc_7396() {
    let check = |target: Value, patch: Value, result: Value| {
        let mut merged = target;
        merge(&mut merged, patch);
        assert_eq!(merged, result);
    };
    check(json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"}));
    check(json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"}));
    check(json!({"a":"b"}), json!({"a":null}), json!({}));
    check(json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"}));
    check(json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"}));
    check(json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}}));
    check(json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]}));
    check(json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"]));
    check(json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1}));
    check(json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"}));
    check(json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}}));
}

fn spec() -> SubscriptionSpec {
    let text =
        br#"{"name":"desk","topics":["analysis/**"],"start":"earliest","delivery":{"pull":{}},
        "labels":{"team":"a","tier":"1"},"owner":"risk"}"#;
    document::spec(input::read(text).unwrap()).unwrap()
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let patch = br#"{"max_in_flight":7,"mode":"parallel","retry":{"max_attempts":3},
        "labels":{"tier":null,"desk":"fx"},"delivery":{"pull":{"ack_deadline_ms":5000}},"owner":null}"#;
    let patched = Patch::read(patch).unwrap().apply(&spec()).unwrap();
    let mut expected = spec();
    expected.max_in_flight = 7;
    expected.mode = Mode::Parallel;
    expected.retry.max_attempts = 3;
    expected.labels.remove("tier");
    expected.labels.insert("desk".into(), "fx".into());
    expected.ack_deadline = std::time::Duration::from_secs(5);
    expected.owner.clear();
    assert_eq!(patched, expected);
    assert_eq!(patched.start, Start::Earliest);
    assert_eq!(Patch::read(b"{}").unwrap().apply(&spec()).unwrap(), spec());
}

#[test]
fn a_patch_of_something_unknown_is_refused_also_when_it_takes_it_away() {
    let check = |patch: &str, code: Code, field: &str| {
        let refusal = Patch::read(patch.as_bytes()).and_then(|patch| patch.apply(&spec()));
        let refusal = refusal.unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{patch}");
    };
    check(r#"{"colour":null}"#, Code::FieldUnknown, "colour");
    check(r#"{"retry":{"tries":null}}"#, Code::FieldUnknown, "retry.tries");
    check(r#"{"retry":7}"#, Code::FieldInvalid, "retry");
    check(r#"{"topics":null}"#, Code::FieldMissing, "topics");
    check(r#"{"mode":"odd"}"#, Code::FieldInvalid, "mode");
    check(r#"{"delivery":{"stream":{}}}"#, Code::FieldInvalid, "delivery");
    check("[]", Code::FieldInvalid, "");
}
