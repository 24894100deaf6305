//! Generates the messages of `proto/tidings/v1/event.proto`, without protoc, and their descriptors,
//! which tests hold the schema tables against.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/tidings/v1/event.proto");
    let files = protox::compile(["tidings/v1/event.proto"], [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("event.descriptors.bin"), files.encode_to_vec())?;
    prost_build::Config::new().btree_map(["."]).bytes(["."]).compile_fds(files)?;
    Ok(())
}
