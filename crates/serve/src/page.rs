//! Lists in parts: limit and cursor in, `next` out. The same for every door.

use tidings_event::{Code, Refusal};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Entries of a part when no limit is given, and the most there may be.
pub(crate) const LIMIT: usize = 100;
pub(crate) const LIMIT_MAX: usize = 1_000;

/// Longest cursor that is read: names have at most 200 bytes.
const CURSOR_BYTES_MAX: usize = 512;

/// A list that is given in parts. A cursor of one is no cursor of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Topics = 1,
    Subscriptions = 2,
    Definitions = 3,
    DeadLetters = 6,
    TracedSubscriptions = 5,
    Intervals = 4,
}

/// Which part of a list is asked for.
pub(crate) struct Page {
    list: List,
    limit: usize,
    /// The name after which it starts.
    after: String,
}

impl Page {
    /// The first part for an empty cursor, else the one that the cursor continues with.
    pub(crate) fn new(list: List, limit: usize, cursor: &str) -> Result<Self, Refusal> {
        let after = if cursor.is_empty() { String::new() } else { name_of(list, cursor)? };
        Ok(Self { list, limit: check_limit(limit)?, after })
    }

    /// The name after which it starts; nothing for the first part.
    pub(crate) fn after(&self) -> Option<&str> {
        Some(self.after.as_str()).filter(|after| !after.is_empty())
    }

    /// Most entries of it.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The cursor that continues after a name.
    pub(crate) fn cursor(&self, name: &str) -> String {
        cursor_of(self.list, name)
    }

    /// The part of a list that is sorted by `name`, and the cursor of the next one.
    pub(crate) fn cut<T>(
        &self,
        list: impl Iterator<Item = T>,
        name: impl Fn(&T) -> &str,
    ) -> (Vec<T>, Option<String>) {
        let mut part: Vec<T> = list.filter(|entry| name(entry) > self.after.as_str()).collect();
        part.sort_by(|a, b| name(a).cmp(name(b)));
        let more = part.len() > self.limit;
        part.truncate(self.limit);
        let next = part.last().filter(|_| more).map(|last| cursor_of(self.list, name(last)));
        (part, next)
    }
}

/// Refuses a limit that no list has.
pub(crate) fn check_limit(limit: usize) -> Result<usize, Refusal> {
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("{limit} is not in 1..={LIMIT_MAX}");
    Err(Refusal::new(Code::FieldInvalid, detail).at_field("limit"))
}

/// The refusal of a cursor.
pub(crate) fn invalid_cursor() -> Refusal {
    Refusal::new(Code::CursorInvalid, "this list did not give out this cursor")
        .at_field("cursor")
        .with_hint("pass `next` of the part before, unchanged; leave it out for the first part")
}

/// `c1-check-name`, check and name in hexadecimal: opaque, safe in a query, known when it was changed.
fn cursor_of(list: List, name: &str) -> String {
    let mut text = format!("c1-{:016x}-", check_of(list, name));
    for byte in name.bytes() {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn name_of(list: List, cursor: &str) -> Result<String, Refusal> {
    let named = || {
        let hex = cursor.strip_prefix("c1-")?.split_once('-')?.1;
        let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte_of).collect();
        String::from_utf8(bytes?).ok().filter(|name| cursor_of(list, name) == cursor)
    };
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(invalid_cursor());
    }
    named().ok_or_else(invalid_cursor)
}

fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| HEX.iter().position(|h| *h == d).and_then(|at| u8::try_from(at).ok());
    let [high, low] = digits else { return None };
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn check_of(list: List, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), list as u64)
}

#[cfg(test)]
mod tests;
