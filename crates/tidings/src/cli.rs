//! The command line, as clap reads it.

mod dead_letter;
mod subscription;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use dead_letter::{DeadLetterCommand, DeadLetterSelectArgs};
pub(crate) use subscription::{
    SubscriptionApplyArgs, SubscriptionCommand, SubscriptionCreateArgs, SubscriptionTestArgs,
    SubscriptionUpdateArgs, TermsArgs,
};

/// Durable events from market analysis, delivered in order.
#[derive(Debug, Parser)]
#[command(
    name = "tidings",
    version,
    about,
    max_term_width = 100,
    after_help = "Examples:\n  tidings demo\n  tidings serve\n  tidings help publish"
)]
pub(crate) struct Cli {
    /// Answer with JSON documents, one a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the service do its main job, on temporary data: events in must equal events out, in
    /// order, for every consumer. Exit code 1 when they do not.
    #[command(
        after_help = "Examples:\n  tidings demo\n  tidings demo --for 60s --instruments 2000\n  tidings demo --csv AAPL-1d.csv --csv BTC-PERP-1m.csv.gz --json"
    )]
    Demo(crate::demo::DemoArgs),
    /// Run the service. Its log is in the data directory, or with `engine.kind` pulsar on an Apache
    /// Pulsar.
    #[command(
        after_help = "Examples:\n  tidings serve\n  tidings serve --data-dir /var/lib/tidings --addr 127.0.0.1:9000\n  TIDINGS_ENGINE__KIND=pulsar tidings serve --config tidings.toml\n  tidings serve --print-config > tidings.toml"
    )]
    Serve(ServeArgs),
    /// Publish events: canonical JSON, one a line, from a file or stdin.
    #[command(
        after_help = "Examples:\n  tidings publish events.ndjson\n  cat events.ndjson | tidings publish --producer rsi-service-1"
    )]
    Publish(PublishArgs),
    /// Print the events of a subscription as JSON lines, and acknowledge them.
    #[command(
        after_help = "Examples:\n  tidings subscribe prediction\n  tidings subscribe prediction --create --topics 'analysis/**' --start earliest --max 10"
    )]
    Subscribe(SubscribeArgs),
    /// List, show, create and delete topics.
    #[command(
        subcommand,
        after_help = "Examples:\n  tidings topic list\n  tidings topic create mine --partitions 4 --retention 7d"
    )]
    Topic(TopicCommand),
    /// List, show, create, apply, update, test, pause, resume and delete subscriptions.
    #[command(
        subcommand,
        after_help = "Examples:\n  tidings subscription create risk --topics 'analysis/anomalies/*' --start earliest\n  tidings subscription show risk"
    )]
    Subscription(Box<SubscriptionCommand>),
    /// List, show, redrive and discard the events that could not be delivered to a subscription.
    #[command(
        subcommand,
        after_help = "Examples:\n  tidings dead-letter list risk\n  tidings dead-letter redrive risk --all"
    )]
    DeadLetter(DeadLetterCommand),
    /// Tell where one event went: where it lies, how its key_seq stood, what became of it in each
    /// subscription.
    #[command(
        after_help = "Examples:\n  tidings trace 01900000-0000-7000-8000-000000000001\n  tidings trace 01900000-0000-7000-8000-000000000001 --source rsi-service-1 --json"
    )]
    Trace(TraceArgs),
    /// Measure a running service, or with --here what this machine takes. Its topics and subscriptions
    /// have a name of their own and are removed. Exit code 1 when an event was lost, came again or
    /// came out of order.
    #[command(
        after_help = "Examples:\n  tidings bench\n  tidings bench --scenario latency,burst --rate 50000 --svg bench.svg\n  tidings bench --here --data-dir /var/lib/tidings"
    )]
    Bench(Box<crate::bench::BenchArgs>),
    /// Verify a data directory of the embedded engine that no process has open. Exit code 3 names
    /// damaged ranges.
    #[command(
        after_help = "Examples:\n  tidings check tidings-data\n  tidings check --json /var/lib/tidings\n  tidings check --config /etc/tidings/tidings.toml"
    )]
    Check(CheckArgs),
    /// Move an embedded log to the Apache Pulsar that is configured: everything is copied with its
    /// offsets, then compared. The service is stopped before, and `engine.kind` changed after. What
    /// was interrupted is begun again by the same command. Exit code 3 names damage that stands in
    /// the way.
    #[command(
        after_help = "Examples:\n  tidings migrate --config /etc/tidings/tidings.toml\n  tidings migrate --from /var/lib/tidings --json\n  tidings migrate --from /var/lib/tidings --accept-damage"
    )]
    Migrate(MigrateArgs),
    /// Examine this machine, the data directory or the Pulsar that is configured and, with --server, a
    /// running service. Exit code 1 when something fails, 4 when the service cannot be reached.
    #[command(
        after_help = "Examples:\n  tidings doctor --data-dir /var/lib/tidings\n  tidings doctor --server http://127.0.0.1:8080 --json"
    )]
    Doctor(DoctorArgs),
    /// Print a script that completes this command line in a shell.
    #[command(
        after_help = "Examples:\n  tidings completions bash > /etc/bash_completion.d/tidings\n  source <(tidings completions bash)\n  tidings completions zsh > ~/.zfunc/_tidings"
    )]
    Completions(CompletionsArgs),
    /// Print the version and what it was built from.
    #[command(after_help = "Examples:\n  tidings version\n  tidings version --json")]
    Version,
}

/// Where the service is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArg {
    /// Address of the service.
    #[arg(long, env = "TIDINGS_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration file; ./tidings.toml when it is there.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Address to serve on; port 0 takes a free one.
    #[arg(long)]
    pub(crate) addr: Option<String>,
    /// Directory of the embedded log.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Serve on an address that other machines can reach, although nobody is authenticated.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Write the address to this file when ready.
    #[arg(long)]
    pub(crate) ready_file: Option<PathBuf>,
    /// Print the default configuration with its documentation, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// File to read; stdin when absent or `-`.
    pub(crate) file: Option<PathBuf>,
    /// Topic for every event; absent leaves it to the service's templates.
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Producer id: events are kept in order and repeats are never stored twice.
    #[arg(long)]
    pub(crate) producer: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    /// Name of the subscription.
    pub(crate) name: String,
    /// Create it first; the same again is fine.
    #[arg(long)]
    pub(crate) create: bool,
    /// With --create: topic patterns, `*` one segment, `**` the rest.
    #[arg(long, value_delimiter = ',', default_value = "analysis/**")]
    pub(crate) topics: Vec<String>,
    /// With --create: latest, earliest, or an RFC 3339 time.
    #[arg(long, default_value = "latest")]
    pub(crate) start: String,
    /// Stop after this many events.
    #[arg(long)]
    pub(crate) max: Option<u64>,
    /// Name of this consumer.
    #[arg(long, default_value = "tidings-cli")]
    pub(crate) consumer: String,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Every topic.
    #[command(after_help = "Example:\n  tidings topic list --json")]
    List(ServerArg),
    /// One topic.
    #[command(after_help = "Example:\n  tidings topic show analysis/indicators/5m")]
    Show(NameArgs),
    /// Create a topic, or change what may change.
    #[command(after_help = "Example:\n  tidings topic create mine --partitions 4 --retention 7d")]
    Create(TopicCreateArgs),
    /// Delete a topic and its events.
    #[command(after_help = "Example:\n  tidings topic delete mine")]
    Delete(NameArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Its name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct TopicCreateArgs {
    /// Its name, e.g. signals/fast.
    pub(crate) name: String,
    /// Partitions, fixed at birth.
    #[arg(long)]
    pub(crate) partitions: Option<u32>,
    /// How long events are kept, e.g. 12h or 7d.
    #[arg(long)]
    pub(crate) retention: Option<String>,
    /// Most bytes that are kept.
    #[arg(long, requires = "retention")]
    pub(crate) retention_bytes: Option<u64>,
    /// memory or durable.
    #[arg(long)]
    pub(crate) durability: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The event's id.
    pub(crate) id: String,
    /// Where it is, when that is known.
    #[arg(long)]
    pub(crate) position: Option<String>,
    /// Its topic, when that is known.
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Its source: finds what was published lately at once.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Taken in at or after this RFC 3339 time; absent, the id tells.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Taken in at or before this RFC 3339 time.
    #[arg(long)]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The data directory; absent, the one that is configured.
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file; ./tidings.toml when it is there.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The data directory to copy; absent, the one that is configured.
    #[arg(long, value_name = "DATA_DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Configuration file, whose `[engine.pulsar]` says where to; ./tidings.toml when it is there.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Copy a damaged log as well: what is lost stays lost, and is told to readers as before.
    #[arg(long)]
    pub(crate) accept_damage: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Configuration file; ./tidings.toml when it is there.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Address that the service would serve on.
    #[arg(long)]
    pub(crate) addr: Option<String>,
    /// The data directory.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Examine a running service; without --config and --data-dir, only that.
    #[arg(long)]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests;
