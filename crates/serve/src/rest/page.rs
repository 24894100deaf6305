//! Lists in parts: `limit` and `cursor` in, `next` out.

use tidings_event::{Code, Refusal};

use crate::rest::ask::Params;

/// Entries of a part when no limit is given, and the most there may be.
const LIMIT: usize = 100;
pub(crate) const LIMIT_MAX: usize = 1_000;

/// Which part of a list is asked for. A cursor is the name after which it starts.
pub(crate) struct Page {
    limit: usize,
    cursor: String,
}

impl Page {
    pub(crate) fn of(query: &Params) -> Result<Self, Refusal> {
        let limit = limit(query)?;
        let cursor = query.text("cursor")?.unwrap_or_default().to_owned();
        Ok(Self { limit, cursor })
    }

    /// The part of a list that is sorted by `name`, and the cursor of the next one.
    pub(crate) fn cut<T>(
        &self,
        list: impl Iterator<Item = T>,
        name: impl Fn(&T) -> &str,
    ) -> (Vec<T>, Option<String>) {
        let mut part: Vec<T> = list.filter(|entry| name(entry) > self.cursor.as_str()).collect();
        part.sort_by(|a, b| name(a).cmp(name(b)));
        let more = part.len() > self.limit;
        part.truncate(self.limit);
        let next = part.last().filter(|_| more).map(|last| name(last).to_owned());
        (part, next)
    }
}

/// How many entries are asked for.
pub(crate) fn limit(query: &Params) -> Result<usize, Refusal> {
    let limit = query.parsed("limit", "a whole number")?.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("{limit} is not in 1..={LIMIT_MAX}");
    Err(Refusal::new(Code::FieldInvalid, detail).at_field("limit"))
}
