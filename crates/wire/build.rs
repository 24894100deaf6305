//! Generates the gRPC services of `proto/tidings/v1`, without protoc.
//!
//! Two things differ from a plain generation. Event messages come from `tidings-event`. And where
//! a request carries events, the generated field holds their bytes, not the decoded message: a
//! `repeated Event` and a `repeated bytes` are the same on the wire, and the service stores and
//! scans the producer's bytes. The descriptor set for reflection keeps the public types.

use std::path::PathBuf;

use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;

const FILES: [&str; 6] = [
    "tidings/v1/publisher.proto",
    "tidings/v1/consumer.proto",
    "tidings/v1/admin.proto",
    "tidings/v1/dead_letter.proto",
    "tidings/v1/analysis_stream.proto",
    "tidings/v1/problem.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}");
    let mut files = protox::compile(FILES, [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    for name in event_types(&files) {
        config.extern_path(format!(".tidings.v1.{name}"), format!("::tidings_event::v1::{name}"));
    }
    events_as_bytes(&mut files);
    tonic_prost_build::configure()
        .codec_path("crate::codec::TunedCodec")
        .compile_fds_with_config(files, config)?;
    Ok(())
}

/// Messages and enums of event.proto.
fn event_types(files: &FileDescriptorSet) -> Vec<String> {
    let event = files.file.iter().filter(|f| f.name() == "tidings/v1/event.proto");
    event
        .flat_map(|f| {
            let messages = f.message_type.iter().map(|m| m.name().to_owned());
            messages.chain(f.enum_type.iter().map(|e| e.name().to_owned()))
        })
        .collect()
}

fn events_as_bytes(files: &mut FileDescriptorSet) {
    let others = files.file.iter_mut().filter(|f| f.name() != "tidings/v1/event.proto");
    for field in others.flat_map(|f| &mut f.message_type).flat_map(|m| &mut m.field) {
        if field.type_name() == ".tidings.v1.Event" {
            field.set_type(Type::Bytes);
            field.type_name = None;
        }
    }
}
