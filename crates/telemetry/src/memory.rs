//! How close the service is to its memory budget: one number that every stage may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What there is to do about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryLevel {
    /// Nothing.
    #[default]
    Normal,
    /// What only saves work is dropped.
    Shed,
    /// Nothing new is taken in, besides.
    Refuse,
}

impl MemoryLevel {
    /// As metrics show it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Shed => 1,
            Self::Refuse => 2,
        }
    }
}

/// The level now. Cheap to clone, and a clone sees the same; asking takes no lock.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<AtomicU8>);

impl Memory {
    /// What is to be done now.
    #[must_use]
    pub fn level(&self) -> MemoryLevel {
        match self.0.load(Ordering::Relaxed) {
            0 => MemoryLevel::Normal,
            1 => MemoryLevel::Shed,
            _ => MemoryLevel::Refuse,
        }
    }

    /// Whether nothing new may be taken in.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.level() == MemoryLevel::Refuse
    }

    /// For whoever measures.
    pub fn set(&self, level: MemoryLevel) {
        self.0.store(level.number(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
