//! The way in: every event is checked, placed, recognised when it is a repeat, given an offset,
//! appended, and acknowledged when it is durable.
//!
//! Placing and appending happen in the call's own order, under one lock a partition that is never
//! held while waiting. `docs/spec/publish.md` states what is promised.

mod admit;
mod batch;
mod cells;
mod checkpoint;
mod connections;
mod ingest_time;
mod limits;
mod place;
mod producers;
mod publish;
mod rebuild;
mod records;
mod refuse;
mod sequenced;
mod settle;
mod survey;
mod window;

pub use admit::Admission;
pub use batch::{
    AdmitError, AdmitSettings, Batch, BlockPlaced, Outcome, Placed, Rejected, SequencedBlock,
};
pub use connections::{Producer, ProducerGrant};
pub use settle::{Submitted, SubmittedBlock};
