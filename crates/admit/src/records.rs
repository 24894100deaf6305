//! What admission keeps in the producers' table, as bytes: a version byte, then a Protobuf message.
//! Keys: `k` + bucket key sequences, `e/TENANT/ID` an epoch, `q` + topic + partition + stamp one producer's state, `m` how far
//! a checkpoint reaches.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tidings_event::TopicPartition;

use crate::batch::AdmitError;
use crate::key_sequences::Seen;
use crate::producers::{ProducerState, SequenceRun};

const VERSION: u8 = 1;

/// Key of the checkpoint's reach.
pub(crate) const REACH_KEY: &[u8] = b"m";

#[derive(Clone, PartialEq, Message)]
struct EpochRecord {
    #[prost(uint32, tag = "1")]
    epoch: u32,
}

#[derive(Clone, PartialEq, Message)]
struct StateRecord {
    #[prost(uint32, tag = "1")]
    epoch: u32,
    #[prost(uint64, tag = "2")]
    next: u64,
    /// Sequence, offset and count of each run.
    #[prost(uint64, repeated, tag = "3")]
    runs: Vec<u64>,
}

/// Key sequences: three lists of the same length.
#[derive(Clone, PartialEq, Message)]
struct KeysRecord {
    #[prost(fixed64, repeated, tag = "1")]
    keys: Vec<u64>,
    #[prost(uint64, repeated, tag = "2")]
    lasts: Vec<u64>,
    #[prost(fixed64, repeated, tag = "3")]
    masks: Vec<u64>,
}

/// Where reading goes on after a restart.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reach {
    /// Journal sequences, in the order of `Journal::TOPICS`: everything up to them is in the states.
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) producers: Vec<u64>,
    /// The same for ids: everything up to them has left the window.
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) window: Vec<u64>,
    /// The newest ingest time.
    #[prost(uint64, tag = "3")]
    pub(crate) newest: u64,
}

pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.into()
}

pub(crate) fn decode<M: Message + Default>(value: &[u8]) -> Result<M, AdmitError> {
    match value.split_first() {
        Some((&VERSION, message)) => {
            M::decode(message).map_err(|error| AdmitError::Record(error.to_string()))
        }
        Some((version, _)) => Err(AdmitError::Record(format!(
            "version {version}, this program knows up to {VERSION}: use the newer program"
        ))),
        None => Err(AdmitError::Record("it is empty".to_owned())),
    }
}

pub(crate) fn epoch_key(tenant: &str, producer_id: &str) -> Bytes {
    format!("e/{tenant}/{producer_id}").into()
}

pub(crate) fn put_epoch(epoch: u32) -> Bytes {
    encode(&EpochRecord { epoch })
}

pub(crate) fn epoch(value: &[u8]) -> Result<u32, AdmitError> {
    decode::<EpochRecord>(value).map(|record| record.epoch)
}

pub(crate) fn state_key(place: TopicPartition, id: &[u8; 16]) -> Bytes {
    let mut key = vec![b'q'];
    key.extend_from_slice(&place.topic.0.to_be_bytes());
    key.extend_from_slice(&place.partition.0.to_be_bytes());
    key.extend_from_slice(id);
    key.into()
}

pub(crate) fn read_state_key(key: &[u8]) -> Option<(TopicPartition, [u8; 16])> {
    let rest = key.strip_prefix(b"q")?;
    let (topic, rest) = rest.split_first_chunk::<8>()?;
    let (partition, id) = rest.split_first_chunk::<4>()?;
    let place = TopicPartition::new(u64::from_be_bytes(*topic), u32::from_be_bytes(*partition));
    Some((place, id.try_into().ok()?))
}

pub(crate) fn put_state(state: &ProducerState) -> Bytes {
    let runs = state.runs.iter().flat_map(|run| [run.sequence, run.offset, run.count]).collect();
    encode(&StateRecord { epoch: state.epoch, next: state.next, runs })
}

pub(crate) fn state(value: &[u8], now: Duration) -> Result<ProducerState, AdmitError> {
    let record: StateRecord = decode(value)?;
    let runs = record.runs.chunks_exact(3);
    let runs = runs.map(|r| SequenceRun { sequence: r[0], offset: r[1], count: r[2] }).collect();
    Ok(ProducerState { epoch: record.epoch, next: record.next, runs, active: now, dirty: false })
}

pub(crate) fn keys_key(bucket: usize) -> Bytes {
    // There are 256.
    vec![b'k', bucket as u8].into()
}

pub(crate) fn is_keys_key(key: &[u8]) -> bool {
    matches!(key, [b'k', _])
}

pub(crate) fn put_keys(keys: &[(u64, Seen)]) -> Bytes {
    encode(&KeysRecord {
        keys: keys.iter().map(|(key, _)| *key).collect(),
        lasts: keys.iter().map(|(_, seen)| seen.last).collect(),
        masks: keys.iter().map(|(_, seen)| seen.mask).collect(),
    })
}

pub(crate) fn keys(value: &[u8]) -> Result<Vec<(u64, Seen)>, AdmitError> {
    let record: KeysRecord = decode(value)?;
    let seen = record.lasts.into_iter().zip(record.masks);
    let keys = record.keys.into_iter().zip(seen);
    Ok(keys.map(|(key, (last, mask))| (key, Seen { last, mask })).collect())
}
