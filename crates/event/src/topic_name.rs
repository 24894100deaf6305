//! Topic names: tenant and path, and the grammar both obey.

use std::fmt;
use std::sync::Arc;

/// Tenant of everything the service keeps for itself; never matched by a wildcard.
pub const INTERNAL_TENANT: &str = "_tidings";

/// Tenant of every caller until authentication names another.
pub const DEFAULT_TENANT: &str = "default";

const SEGMENTS_MAX: usize = 8;
const BYTES_MAX: usize = 200;
const SEGMENT_BYTES_MAX: usize = 64;

/// A topic's full name, `{tenant}/{path}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName {
    full: Arc<str>,
    tenant_bytes: usize,
}

/// Why a text is not a topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// Nothing, or an empty segment at this place (from 0).
    #[error("segment {segment} is empty")]
    EmptySegment {
        /// Place of the segment, from 0.
        segment: usize,
    },
    /// A segment with a character outside `[a-z0-9][a-z0-9._-]{0,63}`.
    #[error("segment {segment} `{text}` does not match [a-z0-9][a-z0-9._-]{{0,63}}")]
    BadSegment {
        /// Place of the segment, from 0.
        segment: usize,
        /// The segment.
        text: String,
    },
    /// More than 8 segments.
    #[error("{count} segments, at most 8")]
    TooManySegments {
        /// How many there are.
        count: usize,
    },
    /// More than 200 bytes.
    #[error("{bytes} bytes, at most 200")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// Contains `-partition-`, which Pulsar gives a meaning.
    #[error("contains `-partition-`")]
    ReservedWord,
}

impl TopicName {
    /// A topic of a tenant from its path, e.g. `analysis/indicators/5m`.
    ///
    /// # Errors
    /// When the path breaks the grammar; the tenant is trusted.
    pub fn new(tenant: &str, path: &str) -> Result<Self, TopicNameError> {
        if path.len() > BYTES_MAX {
            return Err(TopicNameError::TooLong { bytes: path.len() });
        }
        let count = path.split('/').count();
        if count > SEGMENTS_MAX {
            return Err(TopicNameError::TooManySegments { count });
        }
        for (segment, text) in path.split('/').enumerate() {
            check_segment(segment, text)?;
        }
        if path.contains("-partition-") {
            return Err(TopicNameError::ReservedWord);
        }
        Ok(Self { full: format!("{tenant}/{path}").into(), tenant_bytes: tenant.len() })
    }

    /// A topic of the default tenant.
    ///
    /// # Errors
    /// When the path breaks the grammar.
    pub fn default_tenant(path: &str) -> Result<Self, TopicNameError> {
        Self::new(DEFAULT_TENANT, path)
    }

    /// The owning tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.full[..self.tenant_bytes]
    }

    /// The name without the tenant, as callers see it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.full[self.tenant_bytes + 1..]
    }

    /// Tenant and path.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.full
    }
}

/// Whether a text obeys the grammar of one segment, which subscription names share.
///
/// # Errors
/// Names the segment by the place given.
pub fn check_segment(segment: usize, text: &str) -> Result<(), TopicNameError> {
    if text.is_empty() {
        return Err(TopicNameError::EmptySegment { segment });
    }
    let first = text.as_bytes()[0];
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = text.len() <= SEGMENT_BYTES_MAX
        && legal(first)
        && text.bytes().all(|b| legal(b) || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(TopicNameError::BadSegment { segment, text: text.chars().take(80).collect() })
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Display for TopicName {
    /// The path: what callers call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

#[cfg(test)]
mod tests;
