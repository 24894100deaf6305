//! Each fault of a document is named with its code and its place.

use serde::Deserialize;
use tidings_event::Code;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    #[expect(dead_code, reason = "only read by serde")]
    name: String,
    #[expect(dead_code, reason = "only read by serde")]
    inner: Option<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[expect(dead_code, reason = "only read by serde")]
    count: u32,
}

fn check(text: &str, code: Code, field: &str, offset: Option<u64>) {
    let refusal = read::<Outer>(text.as_bytes()).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field.as_str(), refusal.offset),
        (code, field, offset),
        "{text}"
    );
    assert!(!refusal.detail.contains(" at line "), "{text}");
}

#[test]
fn faults() {
    check(r#"{"nam":"x"}"#, Code::FieldUnknown, "nam", None);
    check(r#"{}"#, Code::FieldMissing, "name", None);
    check(r#"{"name":"x","inner":{}}"#, Code::FieldMissing, "inner.count", None);
    check(r#"{"name":"x","inner":{"count":1,"more":2}}"#, Code::FieldUnknown, "inner.more", None);
    check(r#"{"name":"x","inner":{"count":-1}}"#, Code::FieldInvalid, "inner.count", None);
    check(r#"{"name":"x","name":"y"}"#, Code::FieldRepeated, "name", None);
    check(r#"{"name":"x"} x"#, Code::JsonMalformed, "", Some(13));
    check("{\n \"name\": nope}", Code::JsonMalformed, "", Some(12));
    check("", Code::JsonMalformed, "", Some(0));
    check("{", Code::JsonMalformed, "", Some(1));
    check(r#"["x",null]"#, Code::FieldInvalid, "", None);
    check("7", Code::FieldInvalid, "", None);
}

#[test]
fn depth_is_checked_before_anything_is_built() {
    let text = "[".repeat(1_000_000);
    let refusal = read::<Outer>(text.as_bytes()).unwrap_err();
    assert_eq!((refusal.code, refusal.offset), (Code::DepthExceeded, Some(64)));
    let brackets_in_text = format!(r#"{{"name":"\"{}"}}"#, "[".repeat(100));
    assert!(read::<Outer>(brackets_in_text.as_bytes()).is_ok());
}
