//! A refusal in each protocol's form: RFC 9457 document, `tidings.v1.Problem`, gRPC status.

use prost::Message;
use serde::{Deserialize, Serialize};
use tidings_event::{Code, Refusal};
use tonic::Status;
use utoipa::ToSchema;

use crate::v1;

/// Content type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Where each code's page lies: the `type` of a problem is this, the code, and `.md`.
pub const TYPE_BASE: &str = "https://github.com/tidings-dev/tidings/blob/main/docs/errors/";

/// Type of the detail that carries a [`v1::Problem`] in a gRPC status.
const DETAIL_TYPE: &str = "type.googleapis.com/tidings.v1.Problem";

/// A problem as REST answers spell it (RFC 9457). One of `field` and `offset` says where the
/// input was wrong, when that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// Address of the code's page.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What was wrong, with the offending values.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// Path of the offending field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Byte offset in the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Which request this answers: name it when reporting a fault.
    #[serde(default)]
    pub request_id: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ProblemDocument {
    /// The document of a refusal.
    #[must_use]
    pub fn new(refusal: &Refusal, request_id: &str) -> Self {
        Self {
            kind: format!("{TYPE_BASE}{}.md", refusal.code),
            title: refusal.code.title().to_owned(),
            status: refusal.code.http_status(),
            detail: refusal.detail.clone(),
            code: refusal.code.as_str().to_owned(),
            field: Some(refusal.field.clone()).filter(|f| !f.is_empty()),
            offset: refusal.offset,
            hint: Some(refusal.hint.clone()).filter(|h| !h.is_empty()),
            request_id: request_id.to_owned(),
            retry_after_ms: refusal.retry_after_ms,
        }
    }

    /// The refusal that a peer's document stands for; `None` when its code is not known here.
    #[must_use]
    pub fn to_refusal(&self) -> Option<Refusal> {
        Some(Refusal {
            code: code_named(&self.code)?,
            detail: self.detail.clone(),
            field: self.field.clone().unwrap_or_default(),
            offset: self.offset,
            hint: self.hint.clone().unwrap_or_default(),
            retry_after_ms: self.retry_after_ms,
        })
    }
}

/// The code of this name.
#[must_use]
pub fn code_named(text: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.as_str() == text)
}

/// The Protobuf form of a refusal.
#[must_use]
pub fn to_proto(refusal: &Refusal, request_id: &str) -> v1::Problem {
    v1::Problem {
        code: refusal.code.as_str().to_owned(),
        status: u32::from(refusal.code.http_status()),
        title: refusal.code.title().to_owned(),
        detail: refusal.detail.clone(),
        field: refusal.field.clone(),
        offset: refusal.offset,
        hint: refusal.hint.clone(),
        request_id: request_id.to_owned(),
        retry_after_ms: refusal.retry_after_ms,
    }
}

/// The refusal that a peer's message stands for; `None` when its code is not known here.
#[must_use]
pub fn from_proto(problem: &v1::Problem) -> Option<Refusal> {
    Some(Refusal {
        code: code_named(&problem.code)?,
        detail: problem.detail.clone(),
        field: problem.field.clone(),
        offset: problem.offset,
        hint: problem.hint.clone(),
        retry_after_ms: problem.retry_after_ms,
    })
}

/// The gRPC status of a refusal. Its details are the standard's `google.rpc.Status` with one
/// [`v1::Problem`] in it, which the generic clients of every language can read.
#[must_use]
pub fn to_status(refusal: &Refusal, request_id: &str) -> Status {
    let grpc = refusal.code.grpc() as i32;
    let detail = prost_types::Any {
        type_url: DETAIL_TYPE.to_owned(),
        value: to_proto(refusal, request_id).encode_to_vec(),
    };
    let message = format!("{}: {}", refusal.code, refusal.detail);
    let details = RpcStatus { code: grpc, message: message.clone(), details: vec![detail] };
    Status::with_details(tonic::Code::from(grpc), message, details.encode_to_vec().into())
}

/// The problem a status carries; `None` for statuses that are not this service's.
#[must_use]
pub fn of_status(status: &Status) -> Option<v1::Problem> {
    let details = RpcStatus::decode(status.details()).ok()?;
    let detail = details.details.into_iter().find(|any| any.type_url == DETAIL_TYPE)?;
    v1::Problem::decode(&detail.value[..]).ok()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[cfg(test)]
mod tests;
