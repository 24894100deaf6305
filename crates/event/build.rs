//! Generates the messages of `event.proto` and `settlement.proto` in `proto/tidings/v1`, without
//! protoc, and the descriptors of the first, which consumers of other systems are given.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let names = ["tidings/v1/event.proto", "tidings/v1/settlement.proto"];
    for name in names {
        println!("cargo:rerun-if-changed={root}/{name}");
    }
    let event = protox::compile([names[0]], [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("event.descriptors.bin"), event.encode_to_vec())?;
    let files = protox::compile(names, [root])?;
    prost_build::Config::new().btree_map(["."]).bytes(["."]).compile_fds(files)?;
    Ok(())
}
