//! What can go wrong for a caller, with the service's own problem where it gave one.

use serde::Deserialize;
use tidings_event::{Code, Refusal};
use tidings_wire::v1;

/// A refusal as the service worded it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Stable code, SCREAMING_SNAKE; each has a page in `docs/errors`.
    pub code: String,
    /// HTTP status.
    pub status: u32,
    /// The same for every occurrence of the code.
    pub title: String,
    /// What was wrong this time.
    pub detail: String,
    /// Path of the offending field; empty where there is none.
    pub field: String,
    /// Byte offset in the input, where there is no field.
    pub offset: Option<u64>,
    /// What to do.
    pub hint: String,
    /// Names this request in the service's log.
    pub request_id: String,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// Whether it has this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }

    /// Whether the same request may succeed later, unchanged: nothing was stored, or it is not
    /// known whether it was.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        const RETRYABLE: [Code; 8] = [
            Code::ResourceExhausted,
            Code::StorageFull,
            Code::LogReadOnly,
            Code::UnknownOutcome,
            Code::DeadlineExceeded,
            Code::ShuttingDown,
            Code::NotReady,
            Code::Rebuilding,
        ];
        RETRYABLE.iter().any(|&code| self.is(code))
    }

    /// The problem in a gRPC status; `None` for one that is not this service's.
    pub(crate) fn from_status(status: &tonic::Status) -> Option<Self> {
        tidings_wire::problem::of_status(status).map(Self::from)
    }
}

impl From<v1::Problem> for Problem {
    fn from(problem: v1::Problem) -> Self {
        Self {
            code: problem.code,
            status: problem.status,
            title: problem.title,
            detail: problem.detail,
            field: problem.field,
            offset: problem.offset,
            hint: problem.hint,
            request_id: problem.request_id,
            retry_after_ms: problem.retry_after_ms,
        }
    }
}

impl From<Refusal> for Problem {
    /// What the client itself refused, in the words the service would have used.
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.as_str().to_owned(),
            status: u32::from(refusal.code.http_status()),
            title: refusal.code.title().to_owned(),
            detail: refusal.detail,
            field: refusal.field,
            offset: refusal.offset,
            hint: refusal.hint,
            request_id: String::new(),
            retry_after_ms: refusal.retry_after_ms,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        if !self.field.is_empty() {
            write!(f, " (field {})", self.field)?;
        }
        if let Some(offset) = self.offset {
            write!(f, " (byte {offset})")?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Why a call of the SDK failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is not one: `http://host:port` is.
    #[error("`{url}` is not an address such as http://127.0.0.1:8080: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// As the system says.
        reason: String,
    },
    /// The connection broke. Whether the last request was carried out is unknown.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The service refused, with its reason.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The service answered something that the protocol does not have.
    #[error("unexpected answer from the service: {0}")]
    Protocol(String),
    /// It was closed before.
    #[error("closed")]
    Closed,
}

impl ClientError {
    /// The service's problem, when it gave one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the service refused with this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.problem().is_some_and(|problem| problem.is(code))
    }

    /// Whether connecting and asking again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost(_) => true,
            Self::Refused(problem) => problem.is_retryable(),
            Self::Address { .. } | Self::Protocol(_) | Self::Closed => false,
        }
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        Problem::from(refusal).into()
    }
}

impl From<tonic::Status> for ClientError {
    fn from(status: tonic::Status) -> Self {
        if let Some(problem) = Problem::from_status(&status) {
            return problem.into();
        }
        Self::Lost(format!("{:?}: {}", status.code(), status.message()))
    }
}

#[cfg(test)]
mod tests;
