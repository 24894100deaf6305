//! Key notes: what admission saw in the `key_seq` of a block's events, kept in the block's header,
//! so that a trace or a replay can say it long after. Only what was out of line is noted.

use super::{BlockHeader, extension, extension_type};

/// Most notes a header holds; more are counted.
pub const KEY_NOTES_MAX: usize = 64;

const NOTE_BYTES: usize = 24;

/// How an event's `key_seq` stands to those before it, of the same tenant, source and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum KeyState {
    /// Numbers before it are missing.
    Gap = 1,
    /// It fills a gap: it came after a higher number.
    Late = 2,
    /// Another event had this number, or a higher one long ago.
    Repeat = 3,
    /// The producer counts anew from 0 or 1.
    Reset = 4,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Gap, Self::Late, Self::Repeat, Self::Reset];

    /// Lower case, as in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Late => "late",
            Self::Repeat => "repeat",
            Self::Reset => "reset",
        }
    }
}

/// What was seen at one event of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNote {
    /// The event's index in the block.
    pub index: u32,
    /// How its number stands to those before it.
    pub state: KeyState,
    /// The number that would have been in line.
    pub expected: u64,
    /// The number that came.
    pub seen: u64,
}

/// The notes of one block, in the order of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNotes {
    /// The first [`KEY_NOTES_MAX`].
    pub notes: Vec<KeyNote>,
    /// How many more there were, of later events.
    pub overflow: u32,
}

impl KeyNotes {
    /// Adds the note of a later event.
    pub fn push(&mut self, note: KeyNote) {
        if self.notes.len() < KEY_NOTES_MAX {
            self.notes.push(note);
        } else {
            self.overflow = self.overflow.saturating_add(1);
        }
    }

    /// The notes of a block; `None` when it has none.
    #[must_use]
    pub fn of(header: &BlockHeader) -> Option<Self> {
        Self::decode(extension(&header.extensions, extension_type::KEY_NOTES)?)
    }

    /// The bytes of the extension: the overflow, then index, state, expected and seen of each.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.notes.len() * NOTE_BYTES);
        out.extend_from_slice(&self.overflow.to_le_bytes());
        for note in &self.notes {
            out.extend_from_slice(&note.index.to_le_bytes());
            out.extend_from_slice(&(note.state as u32).to_le_bytes());
            out.extend_from_slice(&note.expected.to_le_bytes());
            out.extend_from_slice(&note.seen.to_le_bytes());
        }
        out
    }

    /// Reads what [`Self::encode`] wrote; notes of states that a later version added are left out.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (overflow, rest) = bytes.split_first_chunk()?;
        let (notes, []) = rest.as_chunks::<NOTE_BYTES>() else { return None };
        let notes = notes.iter().filter_map(|note| {
            let (index, rest) = note.split_first_chunk()?;
            let (state, rest) = rest.split_first_chunk()?;
            let (expected, rest) = rest.split_first_chunk()?;
            let state = u32::from_le_bytes(*state);
            Some(KeyNote {
                index: u32::from_le_bytes(*index),
                state: KeyState::ALL.into_iter().find(|known| *known as u32 == state)?,
                expected: u64::from_le_bytes(*expected),
                seen: u64::from_le_bytes(*rest.first_chunk()?),
            })
        });
        Some(Self { notes: notes.collect(), overflow: u32::from_le_bytes(*overflow) })
    }
}
