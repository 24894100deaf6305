//! The block header: fixed little-endian fields, TLV extensions, its own checksum.

use bytes::Bytes;

use super::crc32c;
use crate::{Epoch, Offset, PartitionId, Term, Timestamp, TopicId, TopicPartition};

/// Bytes of the fixed part.
pub const FIXED_BYTES: usize = 104;

/// Most bytes of a header, extensions included.
pub const HEADER_BYTES_MAX: usize = 4096;

const MAGIC: [u8; 4] = *b"TBK1";
const VERSION: u8 = 1;
const CRC_AT: usize = 96;

/// Facts about a block, one bit each. Unknown bits are carried, not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// The body holds internal records, not events.
    pub const INTERNAL: Self = Self(1);
    /// The publisher asked for `memory` durability.
    pub const MEMORY: Self = Self(1 << 1);
    /// An event in it may expire. Blocks of earlier versions do not say so.
    pub const EXPIRES: Self = Self(1 << 2);

    /// With every bit of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Which attempt of which producer a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// First 16 bytes of SHA-256 of the producer's name; never all zero.
    pub id: [u8; 16],
    /// Granted by the service; a lower one is fenced.
    pub epoch: u32,
    /// Sequence of the block's first event.
    pub first_sequence: u64,
}

/// What the service assigned to a block, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Facts about the block.
    pub flags: Flags,
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The owner's term.
    pub term: Term,
    /// Offset of the first event.
    pub base_offset: Offset,
    /// Number of events, at least 1.
    pub count: u32,
    /// Body codec; 0 is none, the only one yet.
    pub codec: u8,
    /// Bytes of the body.
    pub body_bytes: u32,
    /// CRC-32C of the body.
    pub body_crc: u32,
    /// When the service took the block in: one time for all its events.
    pub ingested_at: Timestamp,
    /// The producer's attempt, when sequenced.
    pub producer: Option<ProducerStamp>,
    /// Extensions: `u16 type, u16 length, bytes`, padded with zeros to 8. Reserved types: 1 origin,
    /// 2 encryption key id, 3 schema ids, 4 trace, 5 key notes.
    pub extensions: Bytes,
}

/// Why bytes are not a block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than the header says, or than any header has.
    #[error("block header is cut off")]
    Short,
    /// Not a block header at all.
    #[error("no block header here")]
    Magic,
    /// Written by a later version.
    #[error("block format version {0} is not known")]
    Version(u8),
    /// Its length field is impossible.
    #[error("block header length {0} is impossible")]
    Length(u16),
    /// Its checksum does not fit.
    #[error("block header checksum does not fit")]
    Checksum,
    /// A field contradicts the format.
    #[error("block header field `{0}` is impossible")]
    Field(&'static str),
}

impl BlockHeader {
    /// Offset after the last event.
    #[must_use]
    pub const fn end_offset(&self) -> Offset {
        self.base_offset.plus(self.count as u64)
    }

    /// Bytes [`Self::encode`] appends.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        FIXED_BYTES + self.extensions.len().next_multiple_of(8)
    }

    /// Appends the header. Extensions longer than [`HEADER_BYTES_MAX`] allows are a caller's bug
    /// and are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let extensions =
            if self.encoded_bytes() <= HEADER_BYTES_MAX { &self.extensions[..] } else { &[] };
        let length = FIXED_BYTES + extensions.len().next_multiple_of(8);
        let producer =
            self.producer.unwrap_or(ProducerStamp { id: [0; 16], epoch: 0, first_sequence: 0 });
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.codec]);
        // HEADER_BYTES_MAX fits in 16 bits.
        out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&self.flags.0.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.topic_partition.topic.0.to_le_bytes());
        out.extend_from_slice(&self.topic_partition.partition.0.to_le_bytes());
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.term.0.to_le_bytes());
        out.extend_from_slice(&self.base_offset.0.to_le_bytes());
        out.extend_from_slice(&self.body_bytes.to_le_bytes());
        out.extend_from_slice(&self.body_crc.to_le_bytes());
        out.extend_from_slice(&self.ingested_at.0.to_le_bytes());
        out.extend_from_slice(&producer.id);
        out.extend_from_slice(&producer.epoch.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&producer.first_sequence.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(extensions);
        out.resize(start + length, 0);
        let crc = crc32c(&out[start..]);
        out[start + CRC_AT..start + CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header from the front of `bytes`; also says how many bytes it took.
    ///
    /// # Errors
    /// When the bytes are not a whole, undamaged header.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), HeaderError> {
        let fixed: &[u8; FIXED_BYTES] =
            bytes.first_chunk::<FIXED_BYTES>().ok_or(HeaderError::Short)?;
        if fixed[0..4] != MAGIC {
            return Err(HeaderError::Magic);
        }
        if fixed[4] != VERSION {
            return Err(HeaderError::Version(fixed[4]));
        }
        let length = u16::from_le_bytes([fixed[6], fixed[7]]);
        let total = usize::from(length);
        if !(FIXED_BYTES..=HEADER_BYTES_MAX).contains(&total) || total % 8 != 0 {
            return Err(HeaderError::Length(length));
        }
        let header = bytes.get(..total).ok_or(HeaderError::Short)?;
        let mut zeroed = header.to_vec();
        zeroed[CRC_AT..CRC_AT + 4].fill(0);
        if crc32c(&zeroed) != u32_at(fixed, CRC_AT) {
            return Err(HeaderError::Checksum);
        }
        let decoded = Self::fields(fixed, Bytes::copy_from_slice(&header[FIXED_BYTES..]))?;
        Ok((decoded, total))
    }

    fn fields(fixed: &[u8; FIXED_BYTES], extensions: Bytes) -> Result<Self, HeaderError> {
        let mut id = [0; 16];
        id.copy_from_slice(&fixed[64..80]);
        let producer =
            ProducerStamp { id, epoch: u32_at(fixed, 80), first_sequence: u64_at(fixed, 88) };
        let header = Self {
            flags: Flags(u32_at(fixed, 8)),
            topic_partition: TopicPartition {
                topic: TopicId(u64_at(fixed, 16)),
                partition: PartitionId(u32_at(fixed, 24)),
            },
            epoch: Epoch(u32_at(fixed, 28)),
            term: Term(u64_at(fixed, 32)),
            base_offset: Offset(u64_at(fixed, 40)),
            count: u32_at(fixed, 12),
            codec: fixed[5],
            body_bytes: u32_at(fixed, 48),
            body_crc: u32_at(fixed, 52),
            ingested_at: Timestamp(u64_at(fixed, 56)),
            producer: (id != [0; 16]).then_some(producer),
            extensions,
        };
        if header.count == 0 {
            return Err(HeaderError::Field("count"));
        }
        if header.base_offset.0.checked_add(u64::from(header.count)).is_none() {
            return Err(HeaderError::Field("base_offset"));
        }
        if header.body_bytes as usize > super::BODY_BYTES_MAX {
            return Err(HeaderError::Field("body_bytes"));
        }
        Ok(header)
    }
}

fn u32_at(bytes: &[u8; FIXED_BYTES], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8; FIXED_BYTES], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
