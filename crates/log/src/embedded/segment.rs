//! A segment file: its header page, and what is known of it in memory.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_event::Term;
use tidings_event::block::crc32c;

use super::context::{Context, was_not_opened};
use super::fields::{Fields, Put};
use super::group::PAGE;
use super::spare::Spare;
use crate::disk::{DiskFile, OpenMode};

const MAGIC: &[u8] = b"TSG1";
const BYTES: usize = 92;

/// Where a segment was accepted to end: judged once, never again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) segment: u32,
    pub(crate) position: u64,
    pub(crate) seq: u64,
}

/// The header page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) incompatible: u32,
    pub(crate) journal: u32,
    pub(crate) number: u32,
    pub(crate) epoch: u32,
    pub(crate) term: Term,
    pub(crate) generation: u64,
    pub(crate) first_seq: u64,
    /// Of the segment before; all zero in the first.
    pub(crate) previous: End,
    /// Whose it is; 0 in logs that have no name.
    pub(crate) log: u32,
    /// Bytes of its file that were written before it was begun; 0 where it grows.
    pub(crate) written_before: u64,
    pub(crate) crc: u32,
}

impl SegmentHeader {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for word in [1, 0, 0, self.incompatible, self.journal, self.number, self.epoch] {
            out.put_u32(word);
        }
        let previous = self.previous;
        for word in [self.term.0, self.generation, self.first_seq] {
            out.put_u64(word);
        }
        out.put_u32(previous.segment);
        out.put_u64(previous.position);
        out.put_u64(previous.seq);
        out.put_u32(self.log);
        out.put_u64(self.written_before);
        let crc = crc32c(&out);
        out.put_u32(crc);
        out.resize(PAGE, 0);
        out
    }

    pub(crate) fn decode(page: &[u8]) -> Option<Self> {
        let crc = crc32c(page.get(..BYTES - 4)?);
        let mut fields = Fields(page.strip_prefix(MAGIC)?);
        fields.bytes(12)?;
        let mut header = Self {
            incompatible: fields.u32()?,
            journal: fields.u32()?,
            number: fields.u32()?,
            epoch: fields.u32()?,
            term: Term(fields.u64()?),
            generation: fields.u64()?,
            first_seq: fields.u64()?,
            previous: End { segment: fields.u32()?, position: fields.u64()?, seq: fields.u64()? },
            log: fields.u32()?,
            written_before: fields.u64()?,
            crc: 0,
        };
        header.crc = Fields(&page[BYTES - 4..]).u32()?;
        (header.crc == crc).then_some(header)
    }
}

/// An open segment.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    /// Sequence and page of each group, in order; damaged ones are not in it.
    pub(crate) groups: Vec<(u64, u32)>,
    /// Bytes up to the accepted end.
    pub(crate) bytes: u64,
    /// Last sequence that belongs to it; one below the first when it is empty.
    pub(crate) last_seq: u64,
    /// Blocks in it that are not trimmed.
    pub(crate) live: usize,
    /// Whether its `.idx` is there, or can never be.
    pub(crate) indexed: bool,
}

impl Segment {
    /// The same segment once more, for work outside the journal's mutex.
    pub(crate) fn share(&self) -> Self {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        Self { file, path, groups: self.groups.clone(), ..*self }
    }

    pub(crate) fn end(&self) -> End {
        End { segment: self.header.number, position: self.bytes, seq: self.last_seq }
    }
}

pub(crate) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.seg"))
}

/// Creates the segment after `previous`, durably: in a spare file, if there is one.
pub(crate) fn create(
    context: &Context,
    dir: &Path,
    mut header: SegmentHeader,
    spare: Option<&Spare>,
) -> io::Result<Segment> {
    let path = path(dir, header.number);
    let (file, made) = match spare {
        Some(spare) => (Arc::clone(&spare.file), spare.path.clone()),
        None => (context.disk.open(&path, OpenMode::CreateNew)?, path.clone()),
    };
    header.written_before = spare.map_or(0, |spare| spare.bytes);
    let wall = context.clock.wall().0;
    // Differs for every segment ever made, and nobody outside can guess it.
    header.generation = wall
        .rotate_left(20)
        .wrapping_add(header.term.0.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(u64::from(header.journal).wrapping_mul(0xA24B_AED4_963E_E407))
        .wrapping_add(u64::from(header.number).wrapping_mul(0xD1B5_4A32_D192_ED03));
    let page = header.encode();
    header.crc = Fields(&page[BYTES - 4..]).u32().unwrap_or_default();
    // Where the first group is to be there must not be one already: were the header lost, it would be taken for it.
    let cleared = if spare.is_some() { &[0; PAGE][..] } else { &[] };
    let written = file.write_all_at(&[IoSlice::new(&page), IoSlice::new(cleared)], 0);
    let synced = written.and_then(|()| context.sync(&*file));
    let is_spare = spare.is_some();
    let named =
        synced.and_then(|()| if is_spare { context.disk.rename(&made, &path) } else { Ok(()) });
    if let Err(error) = named {
        if is_spare && error.kind() == io::ErrorKind::NotFound {
            // Somebody made room by hand.
            return create(context, dir, header, None);
        }
        // Nothing else is in it: it may be made once more when there is room.
        context.remove(&made)?;
        return Err(error);
    }
    if let Err(error) = context.sync_dir(dir) {
        if was_not_opened(&error) {
            // The directory was not even opened: this is done over as a whole.
            context.remove(&path)?;
            return Err(error);
        }
        // Whatever it says, it is not done over: what it has stored nobody knows.
        return Err(io::Error::other(error));
    }
    let (bytes, last_seq) = (PAGE as u64, header.first_seq - 1);
    Ok(Segment { header, file, path, groups: vec![], bytes, last_seq, live: 0, indexed: false })
}
