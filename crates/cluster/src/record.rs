//! A beat: what a node says of itself, and its bytes in the members' topic.
//!
//! `TCB1`, the CRC-32C of what follows in four bytes, little-endian, then a Protobuf message. Whatever is read was
//! checked: what has an unknown form, says something twice or is too much is refused as a whole.

mod message;
#[cfg(test)]
mod tests;

use tidings_event::Term;
use tidings_event::block::crc32c;

use crate::assignment::{Assignment, CoordinatorTerm};
use crate::node_id::{Address, AddressError, CallKey, Life, NameError, NodeId};
use crate::partition_group::PartitionGroup;

const MAGIC: &[u8; 4] = b"TCB1";
const HEAD: usize = MAGIC.len() + 4;
/// Most bytes of a record.
pub const RECORD_BYTES_MAX: usize = 8 << 10;

/// What a node says of itself, twice a second and whenever there is news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Who.
    pub node: NodeId,
    /// Which of its life, from 0.
    pub number: u64,
    /// How many of its life came after the pause that makes them count as time, this one included.
    pub pace: u64,
    /// Where it is reached.
    pub address: Address,
    /// What calls to it are signed with.
    pub call_key: CallKey,
    /// Whether no assignment lists it yet: such a one ends the life of its node before.
    pub is_joining: bool,
    /// Which life that is, as far as it knows.
    pub after: Option<Life>,
    /// Whether it wants to give back what it holds.
    pub is_leaving: bool,
    /// The term under which it wants to be the coordinator.
    pub claim: Option<CoordinatorTerm>,
    /// What it holds or held last, as far as an assignment still names it; each partition group once, in order.
    pub held: Vec<Held>,
    /// What it decided, as the coordinator.
    pub assignment: Option<Assignment>,
}

/// How a node is with one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of which partition group.
    pub group: PartitionGroup,
    /// The term that was granted.
    pub term: Term,
    /// How it is.
    pub state: HeldState,
}

/// See [`Held`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldState {
    /// It opens the log.
    Opening,
    /// It answers for it.
    Serving,
    /// It gives it back.
    Closing,
    /// It has given it back, or lost it.
    Ended,
    /// It could not open it.
    Failed,
    /// It left the log alone, which has an owner of this term or had.
    Outdated {
        /// The newest term that the log shows.
        newest: Term,
    },
}

/// Why bytes are no beat that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Something else was written to the topic.
    #[error("it is no record of members: let nothing else write to their topic")]
    Foreign,
    /// More than any node writes.
    #[error("it has {bytes} bytes, at most {RECORD_BYTES_MAX}")]
    TooLarge {
        /// What it has.
        bytes: usize,
    },
    /// The checksum does not fit.
    #[error("it is cut off or changed")]
    Damaged,
    /// A field that must be there, and as it may be, is not.
    #[error("its `{field}` {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name that no node has.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An address that nobody can be called at.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Beat {
    /// Its bytes: at most [`RECORD_BYTES_MAX`], when what it says is within the bounds of what may be read.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        message::write(self, &mut out);
        let crc = crc32c(&out[HEAD..]);
        out[MAGIC.len()..HEAD].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads what a node wrote.
    ///
    /// # Errors
    /// It was none, or not like this.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let rest = record.strip_prefix(MAGIC).ok_or(RecordError::Foreign)?;
        if record.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: record.len() });
        }
        let (crc, message) = rest.split_first_chunk().ok_or(RecordError::Damaged)?;
        if u32::from_le_bytes(*crc) != crc32c(message) {
            return Err(RecordError::Damaged);
        }
        message::read(message)
    }

    /// How it is with its grant of a partition group.
    #[must_use]
    pub fn held(&self, group: PartitionGroup) -> Option<&Held> {
        self.held.iter().find(|held| held.group == group)
    }
}
