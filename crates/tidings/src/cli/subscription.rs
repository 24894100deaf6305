//! `tidings subscription`, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{NameArgs, ServerArg};

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionCommand {
    /// Every subscription.
    #[command(after_help = "Example:\n  tidings subscription list --json")]
    List(ServerArg),
    /// One subscription: definition, lag, in flight.
    #[command(after_help = "Example:\n  tidings subscription show risk")]
    Show(NameArgs),
    /// Create a subscription; the same again is fine.
    #[command(
        after_help = "Examples:\n  tidings subscription create risk --topics 'analysis/anomalies/*' --start earliest\n  tidings subscription create desk --topics 'analysis/**' --filter 'instrument == \"AAPL\"' --pull"
    )]
    Create(SubscriptionCreateArgs),
    /// Make subscriptions be as a file says; what is so already stays as it is.
    #[command(
        after_help = "Examples:\n  tidings subscription apply subscriptions.toml --dry-run\n  tidings subscription apply subscriptions.json"
    )]
    Apply(SubscriptionApplyArgs),
    /// Change a subscription; what is not named stays.
    #[command(
        after_help = "Examples:\n  tidings subscription update risk --max-in-flight 256\n  tidings subscription update risk --filter ''"
    )]
    Update(SubscriptionUpdateArgs),
    /// Say what a subscription, or a change of it, would have matched over history.
    #[command(
        after_help = "Examples:\n  tidings subscription test risk --filter 'severity >= \"HIGH\"'\n  tidings subscription test --topics 'analysis/**' --filter 'instrument == \"AAPL\"' --from 2026-01-02T00:00:00Z"
    )]
    Test(SubscriptionTestArgs),
    /// Send nothing until it is resumed.
    #[command(after_help = "Example:\n  tidings subscription pause risk")]
    Pause(NameArgs),
    /// Send again.
    #[command(after_help = "Example:\n  tidings subscription resume risk")]
    Resume(NameArgs),
    /// Go on elsewhere: what is in flight is forgotten, what was sent before comes again.
    #[command(
        after_help = "Examples:\n  tidings subscription seek risk --to earliest\n  tidings subscription seek risk --to 2026-01-02T00:00:00Z"
    )]
    Seek(SubscriptionSeekArgs),
    /// Delete a subscription and its progress.
    #[command(after_help = "Example:\n  tidings subscription delete risk")]
    Delete(NameArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionCreateArgs {
    /// Its name.
    pub(crate) name: String,
    /// Topic patterns, `*` one segment, `**` the rest.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) topics: Vec<String>,
    /// latest, earliest, last_per_key, or an RFC 3339 time.
    #[arg(long, default_value = "latest")]
    pub(crate) start: String,
    /// Events are fetched over REST instead of streamed.
    #[arg(long)]
    pub(crate) pull: bool,
    /// exclusive, failover or group.
    #[arg(long)]
    pub(crate) sharing: Option<String>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionUpdateArgs {
    /// Its name.
    pub(crate) name: String,
    /// Other topic patterns: a new revision, from the durable tails on.
    #[arg(long, value_delimiter = ',')]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionApplyArgs {
    /// TOML with `[[subscription]]` tables, or JSON: an array of documents.
    pub(crate) file: PathBuf,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionSeekArgs {
    /// Its name.
    pub(crate) name: String,
    /// latest, earliest, an RFC 3339 time, or positions separated by commas.
    #[arg(long)]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionTestArgs {
    /// Its name; absent: topics and a filter alone.
    pub(crate) name: Option<String>,
    /// Topic patterns instead of the subscription's.
    #[arg(long, value_delimiter = ',', required_unless_present = "name")]
    pub(crate) topics: Vec<String>,
    /// A filter instead of the subscription's; an empty text: all events.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Events taken in at or after this RFC 3339 time; the oldest when absent.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Events taken in before this RFC 3339 time; now when absent.
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// How many matching events to show.
    #[arg(long, default_value_t = 3)]
    pub(crate) samples: u32,
    #[command(flatten)]
    pub(crate) server: ServerArg,
}

/// What may be said at creation and changed later.
#[derive(Debug, Default, Args)]
pub(crate) struct TermsArgs {
    /// Which events of the topics; an empty text: all.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// ordered or parallel.
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Most events sent and not settled.
    #[arg(long)]
    pub(crate) max_in_flight: Option<u32>,
    /// How long a pull consumer may take before its events are given out again.
    #[arg(long, value_name = "MS")]
    pub(crate) ack_deadline_ms: Option<u64>,
    /// Attempts in all before an event is dead-lettered.
    #[arg(long, value_name = "COUNT")]
    pub(crate) retry_max_attempts: Option<u32>,
    /// Least time before another attempt.
    #[arg(long, value_name = "MS")]
    pub(crate) retry_min_backoff_ms: Option<u64>,
    /// Most time before another attempt.
    #[arg(long, value_name = "MS")]
    pub(crate) retry_max_backoff_ms: Option<u64>,
    /// Dead-lettered when it fails so long after its first attempt.
    #[arg(long, value_name = "MS")]
    pub(crate) retry_max_age_ms: Option<u64>,
    /// When too much waits behind failing events: pause or dead_letter.
    #[arg(long, value_name = "WHAT")]
    pub(crate) retry_on_park_full: Option<String>,
    /// Most events of one delivery.
    #[arg(long, value_name = "COUNT")]
    pub(crate) batch_max_events: Option<u32>,
    /// Most bytes of one delivery.
    #[arg(long, value_name = "BYTES")]
    pub(crate) batch_max_bytes: Option<u64>,
    /// How long the first event of a delivery may wait for more.
    #[arg(long, value_name = "MS")]
    pub(crate) batch_max_delay_ms: Option<u64>,
    /// none or lz4.
    #[arg(long, value_name = "CODEC")]
    pub(crate) batch_compression: Option<String>,
    /// Tell a burst of look-alike anomalies as one digest.
    #[arg(long, value_name = "MS")]
    pub(crate) fold_window_ms: Option<u64>,
    /// Delete it when nobody consumed for so long.
    #[arg(long, value_name = "MS")]
    pub(crate) expires_after_ms: Option<u64>,
    /// A free name and value, as NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Whom to ask about it.
    #[arg(long)]
    pub(crate) owner: Option<String>,
}
