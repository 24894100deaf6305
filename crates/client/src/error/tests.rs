//! Problems survive both ways in: gRPC details and JSON.

use tidings_event::{Code, Refusal};

use super::{ClientError, Problem};

#[test]
fn grpc_details_carry_the_problem() {
    let refusal = Refusal::new(Code::ProducerFenced, "epoch 1 is older than 2");
    let status = tidings_wire::problem::to_status(&refusal, "r-1");
    let error = ClientError::from(status);
    assert!(error.is(Code::ProducerFenced));
    assert!(!error.is_retryable());
}

#[test]
fn a_status_without_details_is_a_lost_connection() {
    let error = ClientError::from(tonic::Status::unavailable("gone"));
    assert_eq!(error, ClientError::Lost("Unavailable: gone".to_owned()));
    assert!(error.is_retryable());
}

#[test]
fn json_problems_tolerate_missing_and_new_members() {
    let text = r#"{"code":"STORAGE_FULL","status":507,"retry_after_ms":250,"new":1}"#;
    let problem: Problem = serde_json::from_str(text).unwrap();
    assert!(problem.is_retryable());
    assert_eq!(problem.retry_after_ms, Some(250));
}

#[test]
fn a_local_refusal_reads_like_the_service() {
    let refusal = Refusal::new(Code::FieldMissing, "no source").at_field("source");
    let error = ClientError::from(refusal);
    assert_eq!(error.to_string(), "FIELD_MISSING: no source (field source)");
}
