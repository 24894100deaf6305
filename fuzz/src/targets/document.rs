//! REST documents: what is read is written as a document that reads the same.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_wire::{input, rest};

use super::texts;

/// Every document that a client may send, from one text.
pub(super) fn run(input: &[u8]) {
    check::<rest::SubscriptionRequest>(input);
    check::<rest::TopicRequestDocument>(input);
    check::<rest::PullRequestDocument>(input);
    check::<rest::AckRequestDocument>(input);
    check::<rest::NackRequestDocument>(input);
    check::<tidings_wire::ProblemDocument>(input);
}

fn check<T: Serialize + DeserializeOwned>(input: &[u8]) {
    let Ok(document) = input::read::<T>(input) else { return };
    let text = serde_json::to_vec(&document).expect("a document is written");
    let again: T = input::read(&text).expect("what is written is read");
    let text_again = serde_json::to_vec(&again).expect("a document is written");
    assert_eq!(text_again, text);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"name":"risk","topics":["analysis/**"],"delivery":{"pull":{"ack_deadline_ms":1}},"start":"earliest","max_in_flight":10,"labels":{"a":"b"},"owner":"o"}"#,
        r#"{"name":"risk","topics":["a"],"start":{"positions":["p1-1-1-0-0"]},"delivery":{"stream":{}}}"#,
        r#"{"partitions":4,"retention":{"seconds":60,"bytes":null},"durability":"memory"}"#,
        r#"{"retention":"7d"}"#,
        r#"{"max":10,"wait_ms":5,"consumer":"c"}"#,
        r#"{"up_to":["a"],"ack_ids":[]}"#,
        r#"{"ack_ids":["a"],"delay_ms":4}"#,
        r#"{"type":"t","title":"t","status":400,"detail":"d","code":"FIELD_INVALID","field":"f","request_id":"r"}"#,
    ])
}
