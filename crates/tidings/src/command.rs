//! One file per command; this one chooses.

mod check;
mod completions;
mod dead_letter;
mod migrate;
mod publish;
mod serve;
mod subscribe;
mod subscription;
mod topic;
mod trace;
mod version;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Carries out the command line.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(args, cli.json).await,
        Command::Publish(args) => publish::run(args, cli.json).await,
        Command::Subscribe(args) => subscribe::run(args).await,
        Command::Topic(command) => topic::run(command, cli.json).await,
        Command::Subscription(command) => subscription::run(*command, cli.json).await,
        Command::DeadLetter(command) => dead_letter::run(command, cli.json).await,
        Command::Trace(args) => trace::run(args, cli.json).await,
        Command::Demo(args) => crate::demo::run(args, cli.json).await,
        Command::Bench(args) => crate::bench::run(*args, cli.json).await,
        Command::Check(args) => check::run(&args, cli.json),
        Command::Migrate(args) => migrate::run(args, cli.json).await,
        Command::Doctor(args) => crate::doctor::run(args, cli.json).await,
        Command::Completions(args) => completions::run(&args),
        Command::Version => version::run(cli.json),
    }
}
