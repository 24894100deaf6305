//! `.idx` files: the fronts of a sealed segment's groups, so that a start need not walk the segment.
//!
//! Only a copy: written after the segment is durable, believed only when its checksum fits and it
//! ends where the segment was accepted to end; otherwise the segment is walked.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use tidings_event::block::{Crc32c, crc32c};

use super::context::{Context, read_file};
use super::fields::{Fields, Put, short};
use super::group::{self, PAGE};
use super::scan::{Found, Scan};
use super::segment::{End, Segment, SegmentHeader};
use crate::disk::{Disk, DiskFile};

const MAGIC: &[u8] = b"TIX1";

/// So many bytes are written at a time.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// The index file of a segment file.
pub(crate) fn path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

/// Writes the index of a segment that is durable and will not grow, as long as `goes_on`.
fn write(context: &Context, segment: &Segment, goes_on: impl Fn() -> bool) -> io::Result<()> {
    let end = segment.end();
    let mut head = MAGIC.to_vec();
    head.put_u32(1);
    // Feature words: compatible, read-only compatible, incompatible.
    head.extend_from_slice(&[0; 12]);
    head.put_u64(segment.header.generation);
    head.put_u64(end.position);
    head.put_u64(end.seq);
    context.replace_by(&path(&segment.path), |file| {
        let mut out = Piecewise { file, at: 0, piece: head, crc: Crc32c::default() };
        for (_, page) in &segment.groups {
            let at = u64::from(*page) * PAGE as u64;
            let Some(front) = group::read_front(&*segment.file, at, end.position)? else {
                // Damaged since it was written: without an index it will be walked and named.
                return Ok(false);
            };
            out.piece.put_u32(*page);
            out.piece.put_u32(short(front.len()));
            out.piece.extend_from_slice(&front);
            if out.piece.len() >= PIECE_BYTES {
                if !goes_on() {
                    return Ok(false);
                }
                out.flush()?;
            }
        }
        out.flush()?;
        let crc = out.crc.value();
        out.piece.put_u32(crc);
        out.flush().map(|()| true)
    })
}

/// The same; without an index the next start is merely slower.
pub(crate) fn write_or_say(context: &Context, segment: &Segment, goes_on: impl Fn() -> bool) {
    if let Err(error) = write(context, segment, goes_on) {
        tracing::warn!(%error, file = %segment.path.display(), "no index for a segment");
    }
}

/// Writes a file from its start on. An index may have tens of MiB: it is never as a whole in memory.
struct Piecewise<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    /// What comes next.
    piece: Vec<u8>,
    /// Of all that was written.
    crc: Crc32c,
}

impl Piecewise<'_> {
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&[IoSlice::new(&self.piece)], self.at)?;
        self.crc.update(&self.piece);
        self.at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

/// What an index says of a segment; `None` when it cannot be believed.
pub(crate) fn load(
    disk: &dyn Disk,
    segment: &Path,
    header: &SegmentHeader,
    accepted: End,
) -> Option<Scan> {
    let bytes = read_file(disk, &path(segment)).ok()??;
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c(content).to_le_bytes() != *crc {
        return None;
    }
    let mut fields = Fields(content.strip_prefix(MAGIC)?);
    let (version, _, incompatible) = (fields.u32()?, fields.bytes(8)?, fields.u32()?);
    let (generation, position, seq) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let fits = version == 1
        && incompatible == 0
        && generation == header.generation
        && (position, seq) == (accepted.position, accepted.seq);
    if !fits {
        return None;
    }
    let (mut groups, mut last) = (vec![], header.first_seq - 1);
    while !fields.0.is_empty() {
        let (page, length) = (fields.u32()?, fields.u32()? as usize);
        let group = group::decode(fields.bytes(length)?)?;
        let inside = u64::from(page) * PAGE as u64 + group.total <= position;
        if !inside || group.seq != last + 1 {
            return None;
        }
        last = group.seq;
        groups.push(Found { page, group, damaged: vec![], after_hole: false });
    }
    (last == seq).then_some(Scan { groups, end: accepted, missing: 0, torn_bytes: 0 })
}
