//! The events of a simulation: each tells its number, and its bytes tell everything.

use tidings_event::block::crc32c;
use tidings_event::key::KeyHash;
use tidings_event::v1;

use crate::plan::instrument;

/// Where instruments of the simulation are traded.
const VENUE: &str = "XSIM";

/// An event as it is sent.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) hash: String,
    pub(crate) bytes: Vec<u8>,
    /// Count of the publisher's events of this key.
    pub(crate) seq: u64,
}

impl Event {
    pub(crate) fn new(source: &str, number: u64, key: u64, seq: u64) -> Self {
        let mut id = [0; 16];
        id[..source.len().min(8)].copy_from_slice(&source.as_bytes()[..source.len().min(8)]);
        id[8..].copy_from_slice(&(number + 1).to_be_bytes());
        let bytes = tidings_event::encode(&v1::Event {
            id: id.to_vec().into(),
            source: source.into(),
            kind: v1::Kind::Summary as i32,
            instrument: instrument(key),
            venue: VENUE.into(),
            produced_at: number + 1,
            payload: Some(v1::event::Payload::Summary(v1::Summary {
                close: Some(number as f64),
                ..v1::Summary::default()
            })),
            ..v1::Event::default()
        });
        let (id, hash) = (hex(&id), hash(&bytes));
        Self { id, key: instrument(key), hash, bytes, seq }
    }
}

/// Bytes as a history has them.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:08x}", crc32c(bytes))
}

/// An event's id as a history has it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key's partition.
pub(crate) fn partition(key: u64, partitions: u32) -> u32 {
    KeyHash::of_instrument(VENUE, &instrument(key)).partition(partitions).0
}
