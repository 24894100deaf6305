//! Trace notes: the contexts of a block's sampled events, kept in the block's header, so that
//! whoever delivers them need not look for them.

use super::{BlockHeader, extension, extension_type, put_extension};

/// Most notes a header holds; later sampled events of the block are not followed.
pub const TRACE_NOTES_MAX: usize = 32;

const NOTE_BYTES: usize = 28;

/// The context of one event of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceNote {
    /// The event's index in the block.
    pub index: u32,
    /// The trace it belongs to.
    pub trace_id: [u8; 16],
    /// The span in which it was taken in.
    pub span_id: [u8; 8],
}

impl TraceNote {
    /// The notes in an extension's bytes; what is cut off is left out.
    pub fn read(bytes: &[u8]) -> impl Iterator<Item = Self> {
        let notes = bytes.as_chunks::<NOTE_BYTES>().0.iter().take(TRACE_NOTES_MAX);
        notes.filter_map(|note| {
            let (index, rest) = note.split_first_chunk::<4>()?;
            let (trace_id, span_id) = rest.split_first_chunk::<16>()?;
            Some(Self {
                index: u32::from_le_bytes(*index),
                trace_id: *trace_id,
                span_id: *span_id.first_chunk()?,
            })
        })
    }

    /// Puts notes into a header, where they fit.
    pub fn put(header: &mut BlockHeader, notes: &[Self]) {
        let mut bytes = Vec::with_capacity(notes.len().min(TRACE_NOTES_MAX) * NOTE_BYTES);
        for note in notes.iter().take(TRACE_NOTES_MAX) {
            bytes.extend_from_slice(&note.index.to_le_bytes());
            bytes.extend_from_slice(&note.trace_id);
            bytes.extend_from_slice(&note.span_id);
        }
        let mut extensions = header.extensions.to_vec();
        if !bytes.is_empty() && put_extension(&mut extensions, extension_type::TRACE, &bytes) {
            header.extensions = extensions.into();
        }
    }

    /// Where a header's notes lie; nothing where it has none.
    #[must_use]
    pub fn bytes_of(header: &BlockHeader) -> bytes::Bytes {
        if header.extensions.is_empty() {
            return bytes::Bytes::new();
        }
        let found = extension(&header.extensions, extension_type::TRACE);
        found.map_or_else(bytes::Bytes::new, |bytes| header.extensions.slice_ref(bytes))
    }
}

#[cfg(test)]
mod tests;
