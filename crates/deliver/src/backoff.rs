//! How long an event that failed waits for its next attempt.

use std::time::Duration;

use rand::{Rng, RngExt};
use tidings_catalog::Retry;

/// The time before the next attempt of an event that failed `failed` times: uniform in
/// `min_backoff ..= min(max_backoff, min_backoff * 2^failed)`, so that what failed together does
/// not come back together.
pub(crate) fn delay(retry: &Retry, failed: u32, random: &mut impl Rng) -> Duration {
    let cap = 2u32
        .checked_pow(failed)
        .and_then(|factor| retry.min_backoff.checked_mul(factor))
        .map_or(retry.max_backoff, |grown| grown.min(retry.max_backoff));
    random.random_range(retry.min_backoff.min(cap)..=cap)
}

#[cfg(test)]
mod tests;
