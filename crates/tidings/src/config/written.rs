//! The configuration as it is written, key by key.

use std::path::PathBuf;

use serde::Deserialize;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$of_key:meta])* $key:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name { $($(#[$of_key])* pub(crate) $key: $kind,)+ }
    };
}

section! {
    /// The whole file.
    AsWritten {
        server: WrittenServer,
        data: WrittenData,
        engine: WrittenEngine,
        #[serde(rename = "engine.pulsar")]
        pulsar: WrittenPulsar,
        cluster: WrittenCluster,
        log: WrittenLog,
        limits: WrittenLimits,
        memory: WrittenMemory,
        topics: WrittenTopics,
        admission: WrittenAdmission,
        intervals: WrittenIntervals,
        summaries: WrittenSummaries,
        edges: WrittenEdges,
        health: WrittenHealth,
        traces: WrittenTraces,
        logging: WrittenLogging,
    }
}

section! {
    /// Where it serves.
    WrittenServer {
        addr: String,
        insecure: bool,
        allowed_origins: Vec<String>,
    }
}

section! {
    /// Where the log is.
    WrittenData {
        dir: PathBuf,
    }
}

section! {
    /// Who keeps the log.
    WrittenEngine {
        kind: String,
    }
}

section! {
    /// The log on Pulsar.
    WrittenPulsar {
        url: String,
        admin_url: String,
        ca_file: String,
        certificate_file: String,
        key_file: String,
        token_file: String,
        /// Whether there is one: what it is was taken out before.
        token: String,
        tenant: String,
        namespace: String,
        start_seconds: u64,
        answer_seconds: u64,
        close_seconds: u64,
        group_bytes: usize,
        window: usize,
    }
}

section! {
    /// Which node this is.
    WrittenCluster {
        node: String,
        advertise: String,
    }
}

section! {
    /// Sizes of the log.
    WrittenLog {
        segment_bytes_min: u64,
        segment_bytes_max: u64,
        spare_bytes_max: u64,
        journal_bytes_max: u64,
        queue_bytes_max: u64,
        ring_bytes: usize,
        trim_interval_seconds: u64,
    }
}

section! {
    /// What clients may cost.
    WrittenLimits {
        connections: usize,
        batch_events: usize,
        publish_credit_bytes: u32,
        topics: usize,
    }
}

section! {
    /// What the process may hold.
    WrittenMemory {
        budget: String,
    }
}

section! {
    /// How topics are born.
    WrittenTopics {
        partitions: u32,
        timeframes: Vec<String>,
    }
}

section! {
    /// What events are held against.
    WrittenAdmission {
        definition_conflict: String,
        definitions_max: usize,
        key_sequences_max: usize,
        capacity_file: String,
    }
}

section! {
    /// What is said about intervals.
    WrittenIntervals {
        learn: bool,
        learn_from: usize,
        learn_least: usize,
        deadline_ms: u64,
        expected: Vec<WrittenExpected>,
        intervals_max: usize,
        instruments_max: usize,
    }
}

/// Who is expected at one venue in one timeframe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenExpected {
    #[serde(default)]
    pub(crate) venue: String,
    pub(crate) timeframe: String,
    #[serde(default)]
    pub(crate) instruments: Vec<String>,
    #[serde(default)]
    pub(crate) file: Option<PathBuf>,
}

section! {
    /// What the service sums up itself.
    WrittenSummaries {
        composed: Vec<WrittenComposed>,
        delay_ms: u64,
        anomaly_window_seconds: u64,
    }
}

/// Whose summaries are composed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenComposed {
    #[serde(default)]
    pub(crate) venue: String,
    pub(crate) timeframe: String,
    #[serde(default)]
    pub(crate) instruments: Vec<String>,
    #[serde(default)]
    pub(crate) matrices: Vec<String>,
}

section! {
    /// What is mirrored to topics of another system.
    WrittenEdges {
        mirrored: Vec<WrittenEdge>,
    }
}

/// One edge.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenEdge {
    pub(crate) name: String,
    pub(crate) topics: Vec<String>,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default = "json")]
    pub(crate) format: String,
    #[serde(default = "topic_by_topic")]
    pub(crate) target: String,
    #[serde(default = "latest")]
    pub(crate) start: String,
    #[serde(default = "a_thousand")]
    pub(crate) window: u32,
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) ca_file: String,
    #[serde(default)]
    pub(crate) certificate_file: String,
    #[serde(default)]
    pub(crate) key_file: String,
    #[serde(default)]
    pub(crate) token_file: String,
}

fn json() -> String {
    "json".to_owned()
}

fn topic_by_topic() -> String {
    "persistent://public/default/{topic}".to_owned()
}

fn latest() -> String {
    "latest".to_owned()
}

fn a_thousand() -> u32 {
    1_000
}

section! {
    /// From when on a subscription is not well.
    WrittenHealth {
        stalled_after_seconds: u64,
        lagging_after_seconds: u64,
        calm_after_seconds: u64,
    }
}

section! {
    /// Where spans go.
    WrittenTraces {
        endpoint: String,
        sample_ratio: f64,
    }
}

section! {
    /// What is logged.
    WrittenLogging {
        level: String,
        format: String,
    }
}
