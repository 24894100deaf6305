//! Generates the messages of `proto/tidings/v1/event.proto`, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/tidings/v1/event.proto");
    let files = protox::compile(["tidings/v1/event.proto"], [root])?;
    prost_build::Config::new().btree_map(["."]).bytes(["."]).compile_fds(files)?;
    Ok(())
}
