//! The codes a route may refuse with, from the names and groups its documentation lists.

use tidings_event::Code;

/// What every route may answer.
const ANY: &[Code] = &[
    Code::RequestMalformed,
    Code::FieldUnknown,
    Code::FieldRepeated,
    Code::FieldInvalid,
    Code::OriginRefused,
    Code::HeaderTooLarge,
    Code::Internal,
];

/// Codes that come together.
const GROUPS: &[(&str, &[Code])] = &[
    // A JSON document is read.
    (
        "@document",
        &[
            Code::JsonMalformed,
            Code::DepthExceeded,
            Code::FieldMissing,
            Code::ContentTypeUnsupported,
            Code::BatchTooLarge,
            Code::DecompressedTooLarge,
            Code::RequestTimeout,
            Code::ResourceExhausted,
            Code::NotAvailable,
        ],
    ),
    // Something is made durable.
    (
        "@write",
        &[
            Code::ResourceExhausted,
            Code::StorageFull,
            Code::LogReadOnly,
            Code::UnknownOutcome,
            Code::ShuttingDown,
        ],
    ),
    // The log is read.
    ("@read", &[Code::OffsetTrimmed, Code::OffsetOutOfRange, Code::DataLoss]),
    // Events are read.
    (
        "@events",
        &[
            Code::EventMalformed,
            Code::EventIdMissing,
            Code::EventTooLarge,
            Code::NumberNotFinite,
            Code::KindUnknown,
            Code::KindNotEnabled,
            Code::PayloadMismatch,
            Code::TimeOrder,
            Code::BatchEmpty,
            Code::BatchAborted,
            Code::TopicUnknown,
            Code::TopicNameInvalid,
            Code::TopicLimit,
            Code::TopicMismatch,
        ],
    ),
];

/// The codes that names and groups stand for, each once, in the order of the table.
pub(super) fn resolve(named: &[String]) -> Vec<Code> {
    let is_named = |code: &Code| {
        let grouped =
            |group: &str| GROUPS.iter().any(|(name, codes)| *name == group && codes.contains(code));
        ANY.contains(code) || named.iter().any(|name| name == code.as_str() || grouped(name))
    };
    Code::ALL.iter().copied().filter(is_named).collect()
}

/// Names that stand for nothing.
#[cfg(test)]
pub(super) fn unknown(named: &[String]) -> Vec<&String> {
    let known = |name: &&String| {
        GROUPS.iter().any(|(group, _)| group == name)
            || Code::ALL.iter().any(|code| code.as_str() == *name)
    };
    named.iter().filter(|name| !known(name)).collect()
}
