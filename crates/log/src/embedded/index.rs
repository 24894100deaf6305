//! `.idx` files: the fronts of a sealed segment's groups, so that a start need not walk the segment.
//!
//! Only a copy: written after the segment is durable, believed only when its checksum fits and it
//! ends where the segment was accepted to end; otherwise the segment is walked.

use std::io;
use std::path::{Path, PathBuf};

use tidings_event::block::crc32c;

use super::context::{Context, read_file};
use super::fields::{Fields, Put, short};
use super::group::{self, PAGE};
use super::scan::{Found, Scan};
use super::segment::{End, Segment, SegmentHeader};
use crate::disk::Disk;

const MAGIC: &[u8] = b"TIX1";

/// The index file of a segment file.
pub(crate) fn path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

/// Writes the index of a segment that is durable and will not grow.
pub(crate) fn write(context: &Context, segment: &Segment, end: End) -> io::Result<()> {
    let mut out = MAGIC.to_vec();
    out.put_u32(1);
    // Feature words: compatible, read-only compatible, incompatible.
    out.extend_from_slice(&[0; 12]);
    out.put_u64(segment.header.generation);
    out.put_u64(end.position);
    out.put_u64(end.seq);
    for (_, page) in &segment.groups {
        let at = u64::from(*page) * PAGE as u64;
        let Some(front) = group::read_front(&*segment.file, at, end.position)? else {
            // Damaged since it was written: without an index it will be walked and named.
            return Ok(());
        };
        out.put_u32(*page);
        out.put_u32(short(front.len()));
        out.extend_from_slice(&front);
    }
    let crc = crc32c(&out);
    out.put_u32(crc);
    context.replace(&path(&segment.path), &out)
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
    (last == seq).then_some(Scan { groups, end: accepted, missing: 0 })
}
