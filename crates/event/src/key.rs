//! The partition key: which events share an order, and which partition holds them.
//!
//! partition = xxh3-64(key bytes) mod partitions, the same in every engine and SDK; test vectors
//! are in `docs/spec/key-hash.md`. Reference: <https://github.com/Cyan4973/xxHash>, seed 0.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::PartitionId;

/// Stands between venue and instrument; legal in neither.
pub const SEPARATOR: u8 = 0x1F;

/// Venue of an event that names none.
pub const NO_VENUE: &str = "XXXX";

/// Hash of a partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// Hash of `venue 0x1F instrument`; an empty venue counts as [`NO_VENUE`].
    #[must_use]
    pub fn of_instrument(venue: &str, instrument: &str) -> Self {
        let venue = if venue.is_empty() { NO_VENUE } else { venue };
        let mut buffer = [0u8; 128];
        let length = venue.len() + 1 + instrument.len();
        if let Some(key) = buffer.get_mut(..length) {
            key[..venue.len()].copy_from_slice(venue.as_bytes());
            key[venue.len()] = SEPARATOR;
            key[venue.len() + 1..].copy_from_slice(instrument.as_bytes());
            return Self(xxh3_64(key));
        }
        let mut hasher = Xxh3Default::new();
        hasher.update(venue.as_bytes());
        hasher.update(&[SEPARATOR]);
        hasher.update(instrument.as_bytes());
        Self(hasher.digest())
    }

    /// Hash of a correlation matrix or cluster id.
    #[must_use]
    pub fn of_matrix(matrix_id: &str) -> Self {
        Self(xxh3_64(matrix_id.as_bytes()))
    }

    /// The partition that holds this key, of `partitions` >= 1.
    #[must_use]
    pub fn partition(self, partitions: u32) -> PartitionId {
        let partition = self.0 % u64::from(partitions.max(1));
        // Below a u32 divisor.
        PartitionId(u32::try_from(partition).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
