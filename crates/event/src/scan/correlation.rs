//! What a correlation must say besides its types: who it is, of which kind, how many values.

use super::fault::{Fault, invalid, missing};
use super::payload;
use super::reader::{Reader, Wire};
use crate::Envelope;
use crate::v1::CorrelationKind;

/// Reads the matrix id and kind of a payload whose types are checked, and counts its triangle.
pub(super) fn read<'a>(event: &'a [u8], envelope: &mut Envelope<'a>) -> Result<(), Fault> {
    let (mut kind, mut instruments, mut triangle) = (0, 0usize, 0usize);
    let (mut chunk, mut chunks, mut sha256) = (0, 0, 0);
    let mut reader = Reader::new(event.get(envelope.payload.clone()).unwrap_or_default());
    while let Some((number, wire)) = reader.tag()? {
        match (number, wire) {
            (1, _) => envelope.matrix_id = reader.text()?,
            (2, _) => kind = payload::choice(&mut reader)?,
            (5, _) => {
                reader.bytes()?;
                instruments += 1;
            }
            (6, Wire::Length) => triangle += reader.bytes()?.len() / 4,
            (6, _) => {
                reader.skip(wire)?;
                triangle += 1;
            }
            (10, _) => chunk = payload::uint32(&mut reader)?,
            (11, _) => chunks = payload::uint32(&mut reader)?,
            (13, _) => sha256 = reader.bytes()?.len(),
            _ => reader.skip(wire)?,
        }
    }
    if envelope.matrix_id.is_empty() {
        return Err(missing("matrix_id", "a correlation needs the id of its matrix or cluster"));
    }
    if envelope.matrix_id.len() > 50 || envelope.matrix_id.chars().any(char::is_control) {
        return Err(invalid("matrix_id", "1 to 50 bytes, no control characters"));
    }
    envelope.correlation_kind = match CorrelationKind::try_from(kind) {
        Ok(CorrelationKind::Unspecified) => {
            return Err(missing("kind", "one of FULL, CLUSTER, PAIRS"));
        }
        Ok(known) => known,
        Err(_) => return Err(invalid("kind", format!("there is no correlation kind {kind}"))),
    };
    if chunk >= chunks.max(1) {
        return Err(invalid("chunk", format!("{chunk} is not one of {chunks} chunks, from 0")));
    }
    if !matches!(sha256, 0 | 32) {
        return Err(invalid("sha256", format!("{sha256} bytes, a SHA-256 has 32")));
    }
    let whole = instruments * instruments.saturating_sub(1) / 2;
    if triangle != 0 && chunks == 0 && triangle != whole {
        let detail = format!("{instruments} instruments make {whole} pairs, not {triangle}");
        return Err(invalid("triangle", detail));
    }
    Ok(())
}
