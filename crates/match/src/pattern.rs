//! Topic patterns: topic paths in which `*` stands for one segment and a last `**` for the rest.

use std::fmt;
use std::str::FromStr;

use tidings_event::topic_name::check_segment;
use tidings_event::{Code, Refusal};

const SEGMENTS_MAX: usize = 8;
const BYTES_MAX: usize = 200;

/// A checked topic pattern, relative to a tenant like every topic path.
///
/// Segments are those of topic paths, or `*` for exactly one of any name, or, in the last place
/// only, `**` for one or more. What the service keeps for itself lives in a tenant of its own and
/// is therefore matched by no pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPattern(Box<str>);

impl TopicPattern {
    /// Checks a pattern, e.g. `analysis/patterns/*/5m` or `analysis/**`.
    ///
    /// # Errors
    /// `PATTERN_INVALID`, naming the segment that breaks the grammar.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > BYTES_MAX {
            return Err(invalid(format!("{} bytes, at most {BYTES_MAX}", text.len())));
        }
        let count = text.split('/').count();
        if count > SEGMENTS_MAX {
            return Err(invalid(format!("{count} segments, at most {SEGMENTS_MAX}")));
        }
        for (place, segment) in text.split('/').enumerate() {
            match segment {
                "*" => {}
                "**" if place + 1 == count => {}
                "**" => {
                    return Err(invalid(format!(
                        "segment {place} is `**`, which only the last may be"
                    )));
                }
                plain => check_segment(place, plain).map_err(|e| invalid(e.to_string()))?,
            }
        }
        Ok(Self(text.into()))
    }

    /// Whether it covers a topic's path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for wanted in self.0.split('/') {
            let Some(segment) = segments.next() else { return false };
            match wanted {
                "**" => return true,
                "*" => {}
                plain if plain == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn invalid(detail: String) -> Refusal {
    Refusal::new(Code::PatternInvalid, detail)
        .with_hint("write segments as in topic names, `*` for one, `**` at the end for the rest")
}

impl FromStr for TopicPattern {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
