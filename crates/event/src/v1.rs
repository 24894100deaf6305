//! The messages of `tidings.v1`, generated from `event.proto` and
//! `settlement.proto` in `proto/tidings/v1`.
#![expect(missing_docs, reason = "generated: the .proto file is the documentation")]

include!(concat!(env!("OUT_DIR"), "/tidings.v1.rs"));
