//! The share of all keys that moves between members together.

use tidings_event::key::KeyHash;

/// One of 4,096: the top 12 bits of the key's hash. The partition comes of the hash modulo a small
/// number, so that the keys of one partition are in all slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeySlot(u16);

impl KeySlot {
    /// How many there are.
    pub(crate) const COUNT: usize = 1 << 12;

    /// The slot of a key.
    pub(crate) fn of(key: KeyHash) -> Self {
        // 12 bits.
        Self(u16::try_from(key.0 >> 52).unwrap_or(0))
    }

    /// Every slot, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..u16::MAX).take(Self::COUNT).map(Self)
    }

    /// From 0.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }
}
