//! Bodies that travel packed: one LZ4 block after its unpacked length, as `Delivery.codec` says.

use bytes::Bytes;
use lz4_flex::block;
use thiserror::Error;

/// `codec` of a body that is as it is.
pub const PLAIN: u32 = 0;
/// `codec` of one LZ4 block after its unpacked length in 4 bytes, little-endian.
pub const LZ4: u32 = 1;

/// Most bytes that a body has once it is unpacked: those of the largest batch.
pub const UNPACKED_BYTES_MAX: usize = 16 << 20;

const LENGTH_BYTES: usize = 4;
/// A byte of an LZ4 block stands for no more than so many.
const GROWTH_MAX: usize = 255;

/// Why a packed body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnpackError {
    /// A codec that this version does not know.
    #[error("a body is packed with codec {0}, which is not known here")]
    Codec(u32),
    /// Fewer bytes than the length takes.
    #[error("a packed body ends within its length")]
    Cut,
    /// It says that it is longer than a body may be, or than so few bytes can be.
    #[error("a packed body of {bytes} bytes says that it has {declared}, above {most}")]
    TooLong {
        /// Bytes after the length.
        bytes: usize,
        /// What it says.
        declared: usize,
        /// What it could be.
        most: usize,
    },
    /// No LZ4 block, or one of another length than it says.
    #[error("a packed body is not one LZ4 block of {declared} bytes")]
    Damaged {
        /// What it says.
        declared: usize,
    },
}

/// Packs a body with [`LZ4`]; `None` when it does not shrink, or is longer than a body may be.
#[must_use]
pub fn pack(body: &[u8]) -> Option<Bytes> {
    if body.len() > UNPACKED_BYTES_MAX {
        return None;
    }
    let length = u32::try_from(body.len()).ok()?;
    let mut packed = vec![0; LENGTH_BYTES + block::get_maximum_output_size(body.len())];
    let (head, rest) = packed.split_at_mut_checked(LENGTH_BYTES)?;
    head.copy_from_slice(&length.to_le_bytes());
    let bytes = LENGTH_BYTES + block::compress_into(body, rest).ok()?;
    // Its own piece of memory: the room that it was made in is larger.
    packed.get(..bytes).filter(|packed| packed.len() < body.len()).map(Bytes::copy_from_slice)
}

/// The body that these bytes stand for. Room is made for what they can really hold only, whatever
/// they say.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack(bytes: Bytes, codec: u32) -> Result<Bytes, UnpackError> {
    match codec {
        PLAIN => Ok(bytes),
        LZ4 => unpack_lz4(&bytes).map(Bytes::from),
        other => Err(UnpackError::Codec(other)),
    }
}

fn unpack_lz4(bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let (head, packed) = bytes.split_first_chunk().ok_or(UnpackError::Cut)?;
    let declared = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
    let most = packed.len().saturating_mul(GROWTH_MAX).min(UNPACKED_BYTES_MAX);
    if declared > most {
        return Err(UnpackError::TooLong { bytes: packed.len(), declared, most });
    }
    let mut body = vec![0; declared];
    match block::decompress_into(packed, &mut body) {
        Ok(written) if written == declared => Ok(body),
        _ => Err(UnpackError::Damaged { declared }),
    }
}

#[cfg(test)]
mod tests;
