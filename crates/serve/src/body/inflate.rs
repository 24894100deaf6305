//! Decompressing within a bound: the first byte above it ends the reading.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use tidings_event::{Code, Refusal};

/// A gzip stream on its way to its content.
pub(super) struct Inflating {
    decoder: MultiGzDecoder<Capped>,
}

impl Inflating {
    /// For at most `max` bytes of content.
    pub(super) fn new(max: usize) -> Self {
        let content = Capped { bytes: Vec::new(), max, is_full: false };
        Self { decoder: MultiGzDecoder::new(content) }
    }

    /// The next piece of the stream.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let written = self.decoder.write_all(piece);
        written.map_err(|error| self.refusal(&error))
    }

    /// Bytes of content so far.
    pub(super) fn len(&self) -> usize {
        self.decoder.get_ref().bytes.len()
    }

    /// The content, once all of the stream is there and fits its checksum.
    pub(super) fn end(mut self) -> Result<Bytes, Refusal> {
        let ended = self.decoder.try_finish();
        ended.map_err(|error| self.refusal(&error))?;
        Ok(std::mem::take(&mut self.decoder.get_mut().bytes).into())
    }

    fn refusal(&self, error: &io::Error) -> Refusal {
        let Capped { max, is_full, .. } = self.decoder.get_ref();
        if *is_full {
            let detail = format!("the body has more than {max} bytes once it is decompressed");
            return Refusal::new(Code::DecompressedTooLarge, detail).with_hint("send it in parts");
        }
        let shown: String = error.to_string().chars().take(100).collect();
        Refusal::new(Code::RequestMalformed, format!("the body is no gzip stream: {shown}"))
            .at_field("content-encoding")
    }
}

/// Bytes up to a number of them.
struct Capped {
    bytes: Vec<u8>,
    max: usize,
    is_full: bool,
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.max {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
