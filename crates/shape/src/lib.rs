//! The shapes events come in: canonical JSON, the platform's two JSON shapes, CloudEvents. Each is
//! read into one canonical event, or refused with the path of what is wrong in it.
//!
//! Pure: bytes in, bytes out; no I/O, no clock, no async. `docs/spec/shapes.md` is the table of
//! what becomes of each field.

pub mod cloud_event;
mod dialect;
mod fields;
mod interval;
mod platform;
mod reading;

pub use dialect::Dialect;
pub use reading::{Given, NewId, read};
