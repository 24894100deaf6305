//! Definitions: which formula each indicator of an event says it was computed by.

use crate::Envelope;
use crate::scan::reader::{Reader, Wire};

/// The indicators of an accepted event that carry a definition: each one's name and its formula's
/// hash. Costs nothing for an event without one.
#[must_use]
pub fn definitions<'a>(event: &'a [u8], envelope: &Envelope<'_>) -> Definitions<'a> {
    let payload = if envelope.has_definitions { envelope.payload.clone() } else { 0..0 };
    Definitions { payload: Reader::new(event.get(payload).unwrap_or_default()) }
}

/// Iterator of [`definitions`].
#[derive(Clone, Debug)]
pub struct Definitions<'a> {
    payload: Reader<'a>,
}

impl<'a> Iterator for Definitions<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((number, wire)) = self.payload.tag().ok()? {
            if (number, wire) != (1, Wire::Length) {
                self.payload.skip(wire).ok()?;
                continue;
            }
            let entry = self.payload.nested().ok()?;
            let name = field(entry.clone(), 1).unwrap_or_default();
            let value = field(entry, 2).unwrap_or_default();
            if let Some(hash) = field(Reader::new(value), 5).filter(|hash| !hash.is_empty()) {
                return Some((std::str::from_utf8(name).ok()?, hash));
            }
        }
        None
    }
}

/// The bytes of a field that has a length; it stands once, the scanner has seen to that.
fn field<'a>(mut message: Reader<'a>, wanted: u32) -> Option<&'a [u8]> {
    while let Some((number, wire)) = message.tag().ok()? {
        if (number, wire) == (wanted, Wire::Length) {
            return message.bytes().ok();
        }
        message.skip(wire).ok()?;
    }
    None
}

#[cfg(test)]
mod tests;
