//! The group on disk: what one write carries, many blocks under one checksummed directory.

use std::io;

use tidings_event::block::{Block, BlockHeader, crc32c};
use tidings_event::{Offset, TopicPartition};

use super::fields::{Fields, Put, short};
use crate::disk::DiskFile;

/// Everything on disk starts and ends on a page: one that holds synced data is never rewritten.
pub(crate) const PAGE: usize = 4096;
/// Most bytes of bodies and block headers of one group that carries several blocks.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;
const MAGIC: &[u8] = b"TGR1";
const HEADER: usize = 72;
const GENERATION_AT: usize = 8;
const CRC_AT: usize = 64;
const ECHO: usize = 20;
/// No directory is larger: a group of the smallest blocks.
const FRONT_BYTES_MAX: usize = 4 << 20;

/// Where partitions ended.
pub(crate) type Ends = Vec<(TopicPartition, Offset)>;

/// A group's front: header, directory and echo, without the bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Carries no blocks, only the durable sequence.
    pub(crate) mark: bool,
    pub(crate) generation: u64,
    /// A mark repeats the last group's.
    pub(crate) seq: u64,
    /// Highest sequence known to be synced when this was written.
    pub(crate) durable: u64,
    /// `crc` of what stands before it in the segment.
    pub(crate) previous_crc: u32,
    pub(crate) headers: Vec<BlockHeader>,
    pub(crate) echo: Ends,
    /// Bytes on disk, padded.
    pub(crate) total: u64,
    /// Offset of the first body from the group's start.
    pub(crate) bodies_at: usize,
    pub(crate) crc: u32,
}

/// What identifies a group to be written.
pub(crate) struct Stamp {
    pub(crate) generation: u64,
    pub(crate) seq: u64,
    pub(crate) durable: u64,
    pub(crate) previous_crc: u32,
}

/// An encoded front with its checksum and how the group is padded.
pub(crate) struct Front {
    pub(crate) bytes: Vec<u8>,
    pub(crate) padding: usize,
    pub(crate) total: usize,
    pub(crate) crc: u32,
}

/// Encodes what goes before the bodies of `blocks`; none makes a mark.
pub(crate) fn encode<'a>(
    stamp: &Stamp,
    blocks: impl Iterator<Item = &'a Block> + Clone,
    echo: &Ends,
) -> Front {
    let mut out = vec![0; HEADER];
    let (mut bodies, mut count) = (0, 0);
    for block in blocks {
        block.header.encode(&mut out);
        bodies += block.body.len();
        count += 1;
    }
    let directory = out.len() - HEADER;
    for (partition, end) in echo {
        out.put_u64(partition.topic.0);
        out.put_u32(partition.partition.0);
        out.put_u64(end.0);
    }
    let echo_bytes = out.len() - HEADER - directory;
    let total = (out.len() + bodies).next_multiple_of(PAGE);
    let mut head = Vec::with_capacity(HEADER);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[1, u8::from(count == 0), 0, 0]);
    head.put_u64(stamp.generation);
    head.put_u64(stamp.seq);
    head.put_u64(stamp.durable);
    head.put_u32(stamp.previous_crc);
    head.put_u32(short(directory));
    head.put_u32(short(echo_bytes));
    head.put_u32(short(bodies));
    head.put_u32(count);
    head.put_u32(short(total));
    out[..head.len()].copy_from_slice(&head);
    let crc = crc32c(&out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    let padding = total - out.len() - bodies;
    Front { bytes: out, padding, total, crc }
}

/// Reads the front of the group at `at`; `None` when there is no undamaged one below `limit`.
///
/// # Errors
/// As the system says.
pub(crate) fn read(file: &dyn DiskFile, at: u64, limit: u64) -> io::Result<Option<Group>> {
    let front = read_front(file, at, limit)?;
    Ok(front.and_then(|front| decode(&front)).filter(|group| at + group.total <= limit))
}

/// The same of a generation. Of another's no more than a page is read: a file may be full of them.
///
/// # Errors
/// As the system says.
pub(crate) fn read_of(
    generation: u64,
    file: &dyn DiskFile,
    at: u64,
    limit: u64,
) -> io::Result<Option<Group>> {
    let is_of = |page: &[u8]| {
        let mut fields = Fields(page);
        fields.bytes(GENERATION_AT).and_then(|_| fields.u64()) == Some(generation)
    };
    let front = read_front_if(is_of, file, at, limit)?;
    Ok(front.and_then(|front| decode(&front)).filter(|group| at + group.total <= limit))
}

/// The bytes of a group's front, unchecked.
///
/// # Errors
/// As the system says.
pub(crate) fn read_front(file: &dyn DiskFile, at: u64, limit: u64) -> io::Result<Option<Vec<u8>>> {
    read_front_if(|_| true, file, at, limit)
}

fn read_front_if(
    is_wanted: impl FnOnce(&[u8]) -> bool,
    file: &dyn DiskFile,
    at: u64,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    if at + PAGE as u64 > limit {
        return Ok(None);
    }
    let mut bytes = vec![0; PAGE];
    file.read_exact_at(&mut bytes, at)?;
    if !is_wanted(&bytes) {
        return Ok(None);
    }
    let Some(front) = front_bytes(&bytes) else { return Ok(None) };
    if front > PAGE {
        if at + front as u64 > limit {
            return Ok(None);
        }
        bytes.resize(front, 0);
        file.read_exact_at(&mut bytes[PAGE..], at + PAGE as u64)?;
    }
    bytes.truncate(front);
    Ok(Some(bytes))
}

fn front_bytes(page: &[u8]) -> Option<usize> {
    let mut fields = Fields(page.strip_prefix(MAGIC)?);
    let version = fields.u8()?;
    fields.bytes(3 + 24 + 4)?;
    let front = HEADER + fields.u32()? as usize + fields.u32()? as usize;
    (version == 1 && front <= FRONT_BYTES_MAX).then_some(front)
}

/// Reads and checks a front.
pub(crate) fn decode(front: &[u8]) -> Option<Group> {
    let mut zeroed = front.to_vec();
    zeroed.get_mut(CRC_AT..CRC_AT + 4)?.fill(0);
    let crc = Fields(front.get(CRC_AT..)?).u32()?;
    if crc32c(&zeroed) != crc {
        return None;
    }
    let mut fields = Fields(&front[5..]);
    let mark = fields.u8()? != 0;
    fields.bytes(2)?;
    let (generation, seq, durable) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let previous_crc = fields.u32()?;
    let (directory, echo_bytes) = (fields.u32()? as usize, fields.u32()? as usize);
    let (bodies, count, total) = (fields.u32()? as usize, fields.u32()?, fields.u32()?);
    let mut rest = front.get(HEADER..HEADER + directory)?;
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (header, taken) = BlockHeader::decode(rest).ok()?;
        headers.push(header);
        rest = &rest[taken..];
    }
    let mut fields = Fields(front.get(HEADER + directory..)?);
    let mut echo = Vec::new();
    for _ in 0..echo_bytes / ECHO {
        let partition = TopicPartition::new(fields.u64()?, fields.u32()?);
        echo.push((partition, Offset(fields.u64()?)));
    }
    let sum: usize = headers.iter().map(|h| h.body_bytes as usize).sum();
    let sound = headers.len() == count as usize
        && sum == bodies
        && (front.len() + bodies).next_multiple_of(PAGE) == total as usize
        && mark == headers.is_empty();
    let total = u64::from(total);
    let bodies_at = front.len();
    sound.then_some(Group {
        mark,
        generation,
        seq,
        durable,
        previous_crc,
        headers,
        echo,
        total,
        bodies_at,
        crc,
    })
}

/// Reads the body of one block and checks it; `None` when it is damaged.
///
/// # Errors
/// As the system says.
pub(crate) fn read_body(
    file: &dyn DiskFile,
    at: u64,
    group: &Group,
    block: usize,
) -> io::Result<Option<Block>> {
    let before: usize = group.headers[..block].iter().map(|h| h.body_bytes as usize).sum();
    let header = group.headers[block].clone();
    let mut body = vec![0; header.body_bytes as usize];
    file.read_exact_at(&mut body, at + (group.bodies_at + before) as u64)?;
    Ok((crc32c(&body) == header.body_crc).then(|| Block { header, body: body.into() }))
}

#[cfg(test)]
mod tests;
