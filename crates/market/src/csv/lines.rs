//! Refuses a line that is too long before anyone holds it.

use std::io::{Error, ErrorKind, Read, Result};

/// Most bytes one line may have.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// Passes bytes through and fails when [`LINE_BYTES_MAX`] go by without a line end.
pub(super) struct BoundedLines<R> {
    inner: R,
    line: u64,
    length: usize,
}

impl<R: Read> BoundedLines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line: 1, length: 0 }
    }
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        for part in buffer[..count].split_inclusive(|&b| b == b'\n') {
            self.length += part.len();
            if self.length > LINE_BYTES_MAX {
                let detail = format!("line {} is longer than {LINE_BYTES_MAX} bytes", self.line);
                return Err(Error::new(ErrorKind::InvalidData, detail));
            }
            if part.ends_with(b"\n") {
                self.length = 0;
                self.line += 1;
            }
        }
        Ok(count)
    }
}
