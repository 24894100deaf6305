//! What the doors made of blocks for their consumers, as whoever keeps the memory budget sees it.

use std::sync::Arc;

use crate::consuming::encoded::Encoded;

/// Forms of blocks that are kept for the next reader. Cheap to clone; a clone is the same.
#[derive(Clone, Debug)]
pub struct Forms(pub(crate) Arc<Encoded>);

impl Forms {
    /// Drops all of them: who needs one makes it again. Says how many bytes they had.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.0.clear() as u64
    }
}
