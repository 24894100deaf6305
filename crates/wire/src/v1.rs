//! The services and messages of `tidings.v1`, generated from `proto/tidings/v1`.
//!
//! `repeated Event` fields hold the events' bytes: see `build.rs`.
#![expect(missing_docs, non_camel_case_types, reason = "generated: the .proto files say it")]
#![allow(clippy::all, clippy::allow_attributes, clippy::too_many_lines, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/tidings.v1.rs"));

/// The public descriptor set, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests;
