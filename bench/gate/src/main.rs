//! What an event costs in the service, held against what it cost before: `cargo xtask gate`.
//!
//! The stages are wired as in the binary, in one process, over a log on a real disk; requests come in and
//! deliveries go out through the doors, without a network. Three things are measured: how often and how much
//! memory is asked for, how many instructions are run (under valgrind), and how much processor time is used,
//! as a multiple of what a fixed piece of work takes in turns with it. The first two hardly depend on the
//! machine, so they decide; the third does where the machine is the one of the baseline and keeps still.

mod allocations;
mod answer;
mod args;
mod baseline;
mod call;
mod case;
mod compare;
mod consume;
mod cpu_time;
mod error;
mod instructions;
mod measure;
mod node;
mod publish;
mod reference;
mod replay;
mod run;
mod table;
mod text;

use std::process::ExitCode;

use allocations::Counting;
use clap::Parser;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Counting<Jemalloc> = Counting::new(Jemalloc);

fn main() -> ExitCode {
    match run::run(&args::Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tidings-gate: {error}");
            ExitCode::from(2)
        }
    }
}
