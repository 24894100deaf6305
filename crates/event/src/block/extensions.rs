//! The TLV extensions of a block header: `u16 type, u16 length, bytes`, one after the other,
//! little-endian. Zeros pad them to 8 bytes, so that no type is 0.

use super::{FIXED_BYTES, HEADER_BYTES_MAX};

/// Extension types in use.
pub mod extension_type {
    /// Trace contexts of sampled events.
    pub const TRACE: u16 = 4;
    /// What admission saw in the key sequences of the block's events.
    pub const KEY_NOTES: u16 = 5;
}

/// Most bytes of all extensions of a header.
pub const EXTENSION_BYTES_MAX: usize = HEADER_BYTES_MAX - FIXED_BYTES;

/// The bytes of the first extension of a type.
#[must_use]
pub fn extension(mut extensions: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some(([a, b, c, d], rest)) = extensions.split_first_chunk() {
        let kind = u16::from_le_bytes([*a, *b]);
        let (bytes, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*c, *d])))?;
        if kind == 0 {
            return None;
        }
        if kind == wanted {
            return Some(bytes);
        }
        extensions = rest;
    }
    None
}

/// Appends an extension, unless the header would be too long: then `false`, and nothing has
/// changed.
pub fn put_extension(extensions: &mut Vec<u8>, kind: u16, bytes: &[u8]) -> bool {
    let Ok(length) = u16::try_from(bytes.len()) else { return false };
    if (extensions.len() + 4 + bytes.len()).next_multiple_of(8) > EXTENSION_BYTES_MAX {
        return false;
    }
    extensions.extend_from_slice(&kind.to_le_bytes());
    extensions.extend_from_slice(&length.to_le_bytes());
    extensions.extend_from_slice(bytes);
    true
}
