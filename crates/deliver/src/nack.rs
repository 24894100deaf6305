//! What a consumer says when it gives events back.

use std::sync::Arc;
use std::time::Duration;

/// Longest delay.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Most bytes of what it says that are kept.
pub(crate) const DETAIL_BYTES_MAX: usize = 256;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nack {
    pub(crate) delay: Duration,
    pub(crate) detail: Arc<str>,
}

impl Nack {
    /// The next attempt comes no sooner than after this delay, an hour at most. Of what the consumer
    /// says, the first 256 bytes are kept with the attempt.
    #[must_use]
    pub fn new(delay: Duration, detail: &str) -> Self {
        let kept = &detail[..detail.floor_char_boundary(DETAIL_BYTES_MAX)];
        Self { delay: delay.min(DELAY_MAX), detail: kept.into() }
    }
}

impl From<Duration> for Nack {
    fn from(delay: Duration) -> Self {
        Self::new(delay, "")
    }
}
