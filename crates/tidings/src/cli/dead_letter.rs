//! `tidings dead-letter`, as clap reads it.

use clap::{Args, Subcommand};

use super::ServerArg;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// The dead letters of a subscription.
    #[command(after_help = "Example:\n  tidings dead-letter list risk --limit 20")]
    List(DeadLetterListArgs),
    /// One dead letter: its event, why it is here, what was tried.
    #[command(after_help = "Example:\n  tidings dead-letter show risk p1-1-1-0-5 --json")]
    Show(DeadLetterShowArgs),
    /// Deliver dead letters again, in order, flagged redriven.
    #[command(
        after_help = "Examples:\n  tidings dead-letter redrive risk --all\n  tidings dead-letter redrive risk --from p1-1-1-0-5 --to p1-1-1-0-9\n  tidings dead-letter redrive risk --position p1-1-1-0-5"
    )]
    Redrive(DeadLetterSelectArgs),
    /// Remove dead letters for good; a settlement says so.
    #[command(
        after_help = "Example:\n  tidings dead-letter discard risk --position p1-1-1-0-5,p1-1-1-0-7"
    )]
    Discard(DeadLetterSelectArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterListArgs {
    /// Name of the subscription.
    pub(crate) name: String,
    /// Most letters to list.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// `next` of the part before.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterShowArgs {
    /// Name of the subscription.
    pub(crate) name: String,
    /// The letter's position, as `list` gives it.
    pub(crate) position: String,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["position", "from", "all"]))]
pub(crate) struct DeadLetterSelectArgs {
    /// Name of the subscription.
    pub(crate) name: String,
    /// Exactly these positions.
    #[arg(long, value_delimiter = ',')]
    pub(crate) position: Vec<String>,
    /// The first position of a range in one partition.
    #[arg(long, requires = "to")]
    pub(crate) from: Option<String>,
    /// Its last position.
    #[arg(long, requires = "from")]
    pub(crate) to: Option<String>,
    /// All of the subscription.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}
