//! What a check found wrong, with its path built while the checks return. Cold: nothing here runs
//! for an event that is accepted.

use crate::{Code, Refusal};

/// A refusal on its way up; one word wide, so that the hot path returns it for nothing.
pub(crate) type Fault = Box<Refusal>;

/// A fault with a code and a detail.
#[cold]
pub(crate) fn fault(code: Code, detail: impl Into<String>) -> Fault {
    Box::new(Refusal::new(code, detail))
}

/// Bytes that are not a Protobuf event from this offset on.
#[cold]
pub(crate) fn malformed(at: usize, detail: impl Into<String>) -> Fault {
    Box::new(Refusal::new(Code::EventMalformed, detail).at_offset(at as u64))
}

/// A required field that is absent or empty.
#[cold]
pub(crate) fn missing(field: &str, detail: impl Into<String>) -> Fault {
    Box::new(Refusal::new(Code::FieldMissing, detail).at_field(field))
}

/// A field whose value its grammar or range does not allow.
#[cold]
pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Fault {
    Box::new(Refusal::new(Code::FieldInvalid, detail).at_field(field))
}

/// Puts the fault's path under one more level.
#[cold]
pub(crate) fn within(mut fault: Fault, outer: &str) -> Fault {
    fault.field = join(outer, &fault.field);
    fault
}

/// Two parts of a path: `a` and `b` give `a.b`, `a` and `[0]` give `a[0]`.
pub(crate) fn join(outer: &str, inner: &str) -> String {
    let dot = if outer.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
