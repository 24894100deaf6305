//! Short names where they are used, not behind a pointer.

use std::fmt;

/// At most `N` bytes of text without a zero; the rest of the room is zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Short<const N: usize>([u8; N]);

impl<const N: usize> Short<N> {
    /// Nothing for a text that is longer, or has a zero in it.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let short = Self(bytes);
        (short.as_str() == text).then_some(short)
    }

    pub(super) fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(N);
        // It was a text up to there.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Short<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Short;

    #[test]
    fn what_fits_comes_back_and_nothing_else_is_taken() {
        for text in ["", "1m", "XNAS", "1234567é", "12345678"] {
            let short = Short::<9>::of(text);
            assert_eq!(short.as_ref().map(Short::as_str), Some(text));
            assert_eq!(format!("{:?}", short.unwrap()), format!("{text:?}"));
        }
        for text in ["1234567890", "a\0b", "a\0", "12345678é"] {
            assert_eq!(Short::<9>::of(text), None, "{text:?}");
        }
    }
}
