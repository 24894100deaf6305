//! One id, one text.

use proptest::prelude::*;
use tidings_event::Code;

use super::SentId;

#[test]
fn one_id_one_text() {
    let id: SentId = "1f00000000-17".parse().unwrap();
    assert_eq!((id.to_string().as_str(), id.number), ("1f00000000-17", 17));
    for text in ["", "-", "1f", "1f-", "-1", "1F-1", "01-1", "1-01", "1--1", "+1-1", "1-+1", "e1-0"]
    {
        let read = text.parse::<SentId>();
        assert!(text == "e1-0" || read.unwrap_err().code == Code::StreamIdInvalid, "{text}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,60}") {
        if let Ok(id) = text.parse::<SentId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
