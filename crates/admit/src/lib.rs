//! The way in: every event is checked, placed, recognised when it is a repeat, given an offset,
//! appended, and acknowledged when it is durable.
//!
//! Placing and appending happen in the call's own order, under one lock a partition that is never
//! held while waiting. `docs/spec/publish.md` states what is promised.

mod admit;
mod batch;
mod capacity;
mod cells;
mod checkpoint;
mod connections;
mod defining;
mod key_notes;
mod key_sequences;
mod limits;
mod place;
mod producers;
mod publish;
mod quiet;
mod rebuild;
mod records;
mod refuse;
mod sequenced;
mod settle;
mod spans;
mod survey;
mod turns;
mod unsaved;
mod window;

pub use admit::Admission;
pub use batch::{
    AdmitError, AdmitSettings, Batch, BlockPlaced, DefinitionPolicy, Outcome, Placed, Rejected,
    SequencedBlock,
};
pub use connections::{Producer, ProducerGrant};
pub use limits::broken_body;
pub use producers::REMEMBERED as SEQUENCES_REMEMBERED;
pub use settle::{Submitted, SubmittedBlock};
pub use window::WINDOW_ID_BYTES;
