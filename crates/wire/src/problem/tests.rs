//! Every code survives the trip through each protocol's form.

use tidings_event::{Code, Refusal};

use super::*;

fn check(refusal: &Refusal) {
    let document = ProblemDocument::new(refusal, "r-1");
    let text = serde_json::to_string(&document).unwrap();
    let read: ProblemDocument = serde_json::from_str(&text).unwrap();
    assert_eq!(read, document);
    assert_eq!(read.to_refusal().as_ref(), Some(refusal));

    let status = to_status(refusal, "r-1");
    assert_eq!(status.code() as i32, refusal.code.grpc() as i32);
    let problem = of_status(&status).unwrap();
    assert_eq!(problem.request_id, "r-1");
    assert_eq!(from_proto(&problem).as_ref(), Some(refusal));
}

#[test]
fn every_code_round_trips() {
    for &code in Code::ALL {
        check(&Refusal::new(code, "why"));
        let full = Refusal::new(code, "why").at_field("a.b").with_hint("do").retry_after_ms(7);
        check(&full);
        check(&Refusal::new(code, "why").at_offset(0));
    }
}

#[test]
fn absent_members_are_left_out() {
    let text = serde_json::to_string(&ProblemDocument::new(
        &Refusal::new(Code::TopicUnknown, "no topic `x`"),
        "r-2",
    ));
    let want = r#"{"type":"https://github.com/tidings-dev/tidings/blob/main/docs/errors/TOPIC_UNKNOWN.md","title":"Topic is unknown","status":404,"detail":"no topic `x`","code":"TOPIC_UNKNOWN","request_id":"r-2"}"#;
    assert_eq!(text.unwrap(), want);
}

#[test]
fn a_foreign_status_has_no_problem() {
    assert_eq!(of_status(&Status::internal("x")), None);
    let junk = Status::with_details(tonic::Code::Internal, "x", vec![0xFF, 1, 2].into());
    assert_eq!(of_status(&junk), None);
}
