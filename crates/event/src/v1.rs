//! The messages of `tidings.v1`, generated from `event.proto` and
//! `settlement.proto` in `proto/tidings/v1`.
#![expect(missing_docs, reason = "generated: the .proto file is the documentation")]

include!(concat!(env!("OUT_DIR"), "/tidings.v1.rs"));

/// What `event.proto` says, as a serialised `google.protobuf.FileDescriptorSet`: [`EVENT_FILE`] and nothing else.
pub const EVENT_DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/event.descriptors.bin"));

/// The file of [`EVENT_DESCRIPTORS`].
pub const EVENT_FILE: &str = "tidings/v1/event.proto";

/// The full name of the event's message in it.
pub const EVENT_MESSAGE: &str = "tidings.v1.Event";
