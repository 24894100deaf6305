//! Strings out of bytes. Nearly all are short and of ASCII, which is seen by a word or two at a time; the
//! library's check starts slower than they are long.

use std::str::Utf8Error;

/// The string that some bytes are.
///
/// # Errors
/// They are not UTF-8.
#[inline]
#[expect(
    unsafe_code,
    reason = "the library has no safe way to take bytes that are known to be ASCII"
)]
pub(crate) fn read(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if is_ascii(bytes) {
        // SAFETY: bytes below 128 are UTF-8, each a character of its own.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes)
}

/// Whether all are below 128. The last word is looked at twice where the words before it do not end where
/// it begins.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    if let Some(&last) = bytes.last_chunk() {
        let (words, _) = bytes.as_chunks();
        let last = u64::from_le_bytes(last);
        let all = words.iter().fold(last, |all, &word| all | u64::from_le_bytes(word));
        return all & 0x8080_8080_8080_8080 == 0;
    }
    if let (Some(&first), Some(&last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(first) | u32::from_le_bytes(last)) & 0x8080_8080 == 0;
    }
    bytes.iter().fold(0, |all, byte| all | byte) < 0x80
}

#[cfg(test)]
mod tests;
