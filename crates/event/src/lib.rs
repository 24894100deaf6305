//! The event model of Tidings: what an event is, how its bytes are checked, where it goes.
//!
//! The canonical encoding of an event is Protobuf `tidings.v1.Event` ([`v1`]). The service stores
//! those bytes untouched; the scanner reads the [`Envelope`] out of them in one pass without
//! building the message. Events travel in blocks ([`block`]): a body of length-delimited events
//! under a fixed header that carries what the service assigned (partition, offset, epoch, ingest
//! time).
//!
//! This crate does no I/O and knows no async runtime.

pub mod block;
pub mod canonical;
pub mod clock;
pub mod code;
mod definition;
pub mod envelope;
pub mod event_id;
mod glance;
pub mod hop;
pub mod ids;
pub mod json;
pub mod key;
pub mod packed;
pub mod position;
#[cfg(test)]
mod sample;
pub mod scan;
mod schema;
mod text;
pub mod time;
pub mod topic_name;
pub mod v1;

pub use canonical::encode;
pub use clock::{Clock, ManualClock, SystemClock};
pub use code::{Code, GrpcStatus, Refusal};
pub use definition::{Definitions, definitions};
pub use envelope::Envelope;
pub use event_id::{foreign_event_id, format_event_id, new_event_id, parse_event_id};
pub use glance::{Fields, Raw, fields, glance};
pub use ids::{Epoch, JournalSeq, Offset, PartitionId, Term, TopicId, TopicPartition};
pub use position::Position;
pub use scan::scan;
pub use schema::{avro_schema, json_schemas};
pub use time::Timestamp;
pub use topic_name::TopicName;
