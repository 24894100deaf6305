//! The `tidings` executable: the service and its command line.

mod bench;
mod build;
mod capacity;
mod cli;
mod cluster;
mod command;
mod config;
mod demo;
mod doctor;
mod failure;
mod lifecycle;
mod memory;
mod moved;
mod output;
mod reload;
mod scraped;
mod stack;
mod supervisor;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(command::run(arguments)),
        Err(error) => Err(failure::Failure::Failed(format!("cannot start the runtime: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
