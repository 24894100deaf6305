//! Paths and problem answers.

use http::StatusCode;
use tidings_event::Code;

use super::{encode, part_path, refusal, topic_path};
use crate::ClientError;

#[test]
fn names_are_safe_in_paths() {
    assert_eq!(topic_path("analysis/indicators/5m"), "/api/v1/topics/analysis:indicators:5m");
    assert_eq!(part_path("/l", None), "/l?limit=1000");
    assert_eq!(part_path("/l", Some("c1&")), "/l?limit=1000&cursor=c1%26");
    assert_eq!(encode("EUR/USD é"), "EUR%2FUSD%20%C3%A9");
}

#[test]
fn answers_that_are_no_problem_documents_are_shown() {
    let known = refusal(StatusCode::NOT_FOUND, br#"{"code":"TOPIC_UNKNOWN","detail":"x"}"#);
    assert!(known.is(Code::TopicUnknown));
    let other = refusal(StatusCode::BAD_GATEWAY, b"<html>");
    assert_eq!(other, ClientError::Protocol("502 Bad Gateway: <html>".to_owned()));
}
