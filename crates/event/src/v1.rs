//! The messages of `tidings.v1`, generated from `proto/tidings/v1/event.proto`.
#![expect(missing_docs, reason = "generated: the .proto file is the documentation")]
#![expect(clippy::doc_lazy_continuation, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/tidings.v1.rs"));
