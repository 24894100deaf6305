//! Indicator values as nearly all of them are written, checked in one look instead of by the tables.
//!
//! What is plain here is accepted by the tables, too, which a test holds it to; what is not plain may be
//! either, and the tables say.

use super::validate::is_indicator_name;

/// Tags of an entry's key and value, and of a value's number and status.
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
const NUMBER: u8 = 1 << 3 | 1;
const STATUS: u8 = 2 << 3;
/// The number of `ValueStatus.OK`.
const OK: u8 = 1;

/// Whether an entry of `Indicators.values` is a name and a finite number, perhaps said to be `OK`, in the
/// order of their numbers and with nothing else.
#[inline]
pub(super) fn is_plain(entry: &[u8]) -> bool {
    // No name is so long that its length takes a second byte.
    let [KEY, length, rest @ ..] = entry else { return false };
    let Some((name, value)) = rest.split_at_checked(usize::from(*length)) else { return false };
    let Some((number, [] | [STATUS, OK])) = number(value) else { return false };
    number.is_finite() && is_indicator_name(name)
}

/// The number that a value begins with, and what follows it.
#[inline]
fn number(value: &[u8]) -> Option<(f64, &[u8])> {
    let [VALUE, length, NUMBER, rest @ ..] = value else { return None };
    let (word, rest) = rest.split_first_chunk()?;
    // With the tag before it.
    (usize::from(*length) == 1 + size_of_val(word) + rest.len())
        .then(|| (f64::from_le_bytes(*word), rest))
}

#[cfg(test)]
mod tests;
