//! Load on the real binary: `cargo run --release -p tidings-bench -- ingest e2e latency start`.

use std::process::ExitCode;

use clap::Parser;
use tidings_bench::{Args, run};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
