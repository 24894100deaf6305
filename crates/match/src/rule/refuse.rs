//! How a filter is refused: with the code, the byte, and what to write instead.

use tidings_event::{Code, Refusal};

/// The text is not a sentence of the language from this byte on.
pub(super) fn invalid(at: usize, detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::FilterInvalid, detail).at_field("filter").at_offset(at as u64)
}

/// What stands at this byte does not fit events, or its neighbour.
pub(super) fn mistyped(at: usize, detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::FilterType, detail).at_field("filter").at_offset(at as u64)
}
