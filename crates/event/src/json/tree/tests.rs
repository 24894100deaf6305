//! Texts are read as `serde_json` reads them, and what is no JSON is refused at its byte.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json::DEPTH_MAX;

/// The node as the other library's value.
fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.boolean().unwrap().into(),
        Kind::Number => serde_json::from_str(node.number().unwrap()).unwrap(),
        Kind::Text => node.text().unwrap().into(),
        Kind::Array => node.elements().map(value).collect(),
        Kind::Object => node.members().map(|(k, v)| (k.to_owned(), value(v))).collect(),
    }
}

#[track_caller]
fn check(text: &str) {
    let mut tree = Tree::default();
    let read = tree.parse(text).map(|document| value(document.root()));
    assert_eq!(read.ok(), serde_json::from_str(text).ok(), "{text}");
}

#[track_caller]
fn refused(text: &[u8], code: Code, offset: u64) {
    let mut tree = Tree::default();
    let refusal = super::text(text).and_then(|text| tree.parse(text).map(drop)).unwrap_err();
    assert_eq!((refusal.code, refusal.offset), (code, Some(offset)), "{refusal}");
}

#[test]
fn every_kind_of_value_is_read() {
    for text in [
        " null ",
        "true",
        "[false]",
        "{}",
        "[]",
        "\"\"",
        "0",
        "-0",
        "-0.0e+10",
        "1E-7",
        "123456789012345678901234567890",
        "{\"a\": [1, {\"b\": \"c\"}, []], \"\": {}}",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀""#,
        r#"{"\u0061":1}"#,
        "\t[\r\n1 ,2 ]",
    ] {
        check(text);
        assert!(Tree::default().parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused_at_its_byte() {
    let malformed = |text: &str, at| refused(text.as_bytes(), Code::JsonMalformed, at);
    malformed("", 0);
    malformed("\u{FEFF}{}", 0);
    malformed("[1,]", 3);
    malformed("{\"a\" 1}", 5);
    malformed("{a:1}", 1);
    malformed("01", 1);
    malformed("1.", 2);
    malformed("[1 2]", 3);
    malformed("\"a\u{0}\"", 2);
    malformed("\"a", 2);
    malformed(r#""a\x""#, 3);
    malformed(r#""\ud800""#, 1);
    malformed(r#""\udc00""#, 1);
    malformed(r#""\ud800A""#, 1);
    malformed(r#""\u+123""#, 3);
    malformed("tru", 0);
    malformed("{} x", 3);
    refused(b"[\"\xff\"]", Code::JsonMalformed, 2);
    for word in ["NaN", "Infinity", "-Infinity", "1e400", "-1e999"] {
        refused(word.as_bytes(), Code::NumberNotFinite, 0);
    }
    refused("9".repeat(400).as_bytes(), Code::NumberNotFinite, 0);
    refused(br#"{"a":1,"a":2}"#, Code::FieldRepeated, 9);
    refused(br#"{"a":1,"\u0061":2}"#, Code::FieldRepeated, 14);
    refused(&[b'['; DEPTH_MAX + 1], Code::DepthExceeded, DEPTH_MAX as u64);
}

#[test]
fn many_members_are_told_apart_too() {
    let object = |last: usize| {
        let members = (0..FEW_AND_MORE).map(|n| format!("\"k{n}\":{n}"));
        format!("{{{},\"k{last}\":0}}", members.collect::<Vec<_>>().join(","))
    };
    assert!(Tree::default().parse(&object(FEW_AND_MORE)).is_ok());
    let refusal = Tree::default().parse(&object(3)).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldRepeated, "k3"));
}

const FEW_AND_MORE: usize = 1_000;

#[test]
fn too_many_values_are_refused() {
    let text = format!("[{}0]", "0,".repeat(NODES_MAX));
    let refusal = Tree::default().parse(&text).unwrap_err();
    assert_eq!(refusal.code, Code::EventTooLarge);
}

/// Reads an array's elements: each one's value, or its own refusal.
fn elements(text: &str) -> Result<Vec<Result<Value, Code>>, Refusal> {
    let (mut tree, mut read) = (Tree::default(), Vec::new());
    let mut elements = Elements::of(text).unwrap();
    while elements.advance()? {
        let element = elements.read(&mut tree)?;
        read.push(element.map(|d| value(d.root())).map_err(|refusal| refusal.code));
    }
    Ok(read)
}

#[test]
fn an_array_is_read_element_by_element() {
    let twice = r#" [ {"a":1} , {"a":1,"a":2}, 1e999, [3]] "#;
    let read = elements(twice).unwrap();
    assert_eq!(read[0], Ok(serde_json::json!({"a": 1})));
    assert_eq!(read[1..3], [Err(Code::FieldRepeated), Err(Code::NumberNotFinite)]);
    assert_eq!(read[3], Ok(serde_json::json!([3])));
    assert_eq!(elements("[]").unwrap(), []);
    for (text, at) in [("[1,]", 3), ("[1", 2), ("[1 2]", 3), ("[1] x", 4), ("[{]", 2), ("[,1]", 1)]
    {
        let refusal = elements(text).unwrap_err();
        assert_eq!((refusal.code, refusal.offset), (Code::JsonMalformed, Some(at)), "{text}");
    }
    assert!(Elements::of(" {}").is_none());
}

proptest! {
    #[test]
    fn texts_are_read_as_another_library_reads_them(
        text in "[\\[\\]{},:\"\\\\a0-9eE.+\\- tn]{0,24}|[\\[{][\\[\\]{},:\"ab1 ]{0,16}",
    ) {
        let slow = crate::json::parse(text.as_bytes());
        let mut tree = Tree::default();
        let fast = tree.parse(&text).map(|document| value(document.root()));
        prop_assert_eq!(fast.as_ref().ok(), slow.as_ref().ok(), "{}", &text);
        let mut again = Tree::default();
        if let Some(mut elements) = Elements::of(&text) {
            let mut whole = Ok(true);
            while matches!(whole, Ok(true)) {
                whole = elements.advance();
                if matches!(whole, Ok(true)) {
                    whole = elements.read(&mut again).map(|_| true);
                }
            }
            // Element by element, a key that stands twice is the element's fault alone.
            prop_assert!(whole.is_ok() || slow.is_err(), "{}", &text);
        }
    }
}
