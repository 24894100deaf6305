//! Reading a JSON document strictly: depth before memory, then shape, each fault with its place.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tidings_event::{Code, Refusal};

/// Deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: usize = 64;

/// Reads a document; nothing that it does not name is accepted.
///
/// # Errors
/// `JSON_MALFORMED` with the byte, `DEPTH_EXCEEDED`, or `FIELD_UNKNOWN`, `FIELD_MISSING`,
/// `FIELD_REPEATED`, `FIELD_INVALID` with the field's path.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    check_depth(text)?;
    // Syntax first: only of the whole text is the place of a fault always known.
    let _syntax: IgnoredAny =
        serde_json::from_slice(text).map_err(|error| syntax_refusal(text, &error))?;
    // A struct would also be read from an array of its members.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::new(Code::FieldInvalid, "the document is not a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| shape_refusal(text, &error))
}

/// Whether arrays and objects nest no deeper than [`DEPTH_MAX`]; one pass, no memory.
///
/// # Errors
/// `DEPTH_EXCEEDED` with the byte that opens one level too many.
pub fn check_depth(text: &[u8]) -> Result<(), Refusal> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let detail = format!("JSON is nested deeper than {DEPTH_MAX} levels");
                    return Err(Refusal::new(Code::DepthExceeded, detail).at_offset(at as u64));
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a member that is known but not served yet.
///
/// # Errors
/// `NOT_AVAILABLE` naming the field, when it is present.
pub fn not_served<T>(field: &str, value: &Option<T>) -> Result<(), Refusal> {
    if value.is_none() {
        return Ok(());
    }
    Err(not_available(field, format!("`{field}` is not served yet")))
}

/// The refusal of a field or of one of its values that is planned but not served yet.
#[must_use]
pub fn not_available(field: &str, detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::NotAvailable, detail).at_field(field).with_hint("leave it out")
}

/// The refusal of a text that is not JSON, with the byte where it stops being so.
#[must_use]
pub fn syntax_refusal(text: &[u8], error: &serde_json::Error) -> Refusal {
    let offset = if error.is_eof() {
        text.len() as u64
    } else {
        byte_of(text, error.line(), error.column())
    };
    Refusal::new(Code::JsonMalformed, without_place(&error.to_string())).at_offset(offset)
}

fn shape_refusal(text: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let inner = error.inner();
    if inner.classify() != Category::Data {
        return syntax_refusal(text, inner);
    }
    let message = without_place(&inner.to_string());
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let child = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        parent if parent.rsplit('.').next() == Some(name) => parent.to_owned(),
        parent => format!("{parent}.{name}"),
    };
    let named = message.split('`').nth(1).unwrap_or_default();
    let (code, field) = if message.starts_with("unknown field") {
        (Code::FieldUnknown, child(named))
    } else if message.starts_with("missing field") {
        (Code::FieldMissing, child(named))
    } else if message.starts_with("duplicate field") {
        (Code::FieldRepeated, child(named))
    } else {
        (Code::FieldInvalid, path)
    };
    let refusal = Refusal::new(code, message);
    // A value that was buffered, to know what it is, has lost its place.
    if field.is_empty() && inner.line() > 0 {
        return refusal.at_offset(byte_of(text, inner.line(), inner.column()));
    }
    refusal.at_field(field)
}

/// The library's message without its "at line 1 column 2".
fn without_place(message: &str) -> String {
    let place = message.rfind(" at line ").unwrap_or(message.len());
    message.chars().take(message[..place].chars().count().min(300)).collect()
}

/// Byte of a line and column, both from 1; a column of 0 is the end of the line before.
fn byte_of(text: &[u8], line: usize, column: usize) -> u64 {
    let starts = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(starts).nth(line.saturating_sub(1)).unwrap_or(text.len());
    (start + column.saturating_sub(1)).min(text.len()) as u64
}

#[cfg(test)]
mod tests;
