//! The members' topic: what the nodes of a cluster say, in one order that all of them read alike.
//!
//! It lies beside the log, in a namespace of its own that forgets after some hours: the log's own namespace keeps
//! everything. What is said is bytes here; `crates/cluster` knows what they mean.

mod extent;
mod look;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tidings_event::Timestamp;
use tidings_telemetry::Timer;

use crate::admin::{Admin, wait_out};
use crate::examine::{Observation, Standing};
use crate::link::{Broker, LinkError, Locator, Tail, Writing};
use crate::options::{OpenError, PulsarOptions};
use crate::patience::Patience;
use extent::Extent;
pub use look::MembersLook;

const TOPIC: &str = "members";
/// What a topic of one partition calls that.
const ENTRY: &str = "members-partition-0";
/// The namespace keeps so much, and no less is enough.
const KEPT_MINUTES: i64 = 120;
/// Whoever begins to read begins so long ago.
const READ_BACK_MILLIS: u64 = 60 * 60 * 1_000;

/// Both ends of it for one node.
#[derive(Debug)]
pub struct MembersTopic {
    /// What all nodes say.
    pub reader: MembersReader,
    /// What this one says.
    pub writer: MembersWriter,
    /// Whether nothing was there before what is read.
    pub reads_all: bool,
}

/// Reads it, from an hour before it was opened.
pub struct MembersReader {
    tail: Tail,
    url: Arc<str>,
    /// The last that was there when it was opened, until it was read.
    past: Option<Locator>,
}

/// Writes it, one record at a time.
pub struct MembersWriter {
    broker: Arc<Broker>,
    url: Arc<str>,
    topic: String,
    writing: Option<Writing>,
    options: PulsarOptions,
}

/// Why nothing comes from the topic, or goes there. The next try makes a new connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the members' topic does not answer at {url}: {reason}; it is tried again")]
pub struct MembersError {
    /// Where it should be.
    pub url: Arc<str>,
    /// What happened.
    pub reason: String,
}

impl MembersTopic {
    /// Makes it exist beside a log, and finds where to begin.
    ///
    /// # Errors
    /// The broker cannot be reached or used, or the topic forgets too soon.
    pub async fn open(log: &PulsarOptions) -> Result<Self, OpenError> {
        let options = beside(log);
        let admin = Admin::new(&options);
        let mut patience = Patience::of(options.start_max);
        let extent = loop {
            match prepare(&admin).await {
                Ok(extent) => break extent,
                Err(error) => wait_out(&mut patience, error).await?,
            }
        };
        let broker = Arc::new(Broker::new(&options)?);
        let reader = MembersReader::at(&broker, &options, extent);
        let (url, topic) = (Arc::clone(&reader.url), address(&options));
        let writer = MembersWriter { broker, url, topic, writing: None, options: options.clone() };
        Ok(Self { reader, writer, reads_all: extent.reads_all() })
    }
}

impl MembersReader {
    /// From where there is something to be read.
    fn at(broker: &Arc<Broker>, options: &PulsarOptions, extent: Extent) -> Self {
        let topic = address(options);
        let tail = match extent.start {
            Some(start) => Tail::from(broker, &topic, start),
            None => Tail::after(broker, &topic, extent.last),
        };
        let past = extent.last.filter(|_| extent.start.is_some());
        Self { tail, url: options.url.as_str().into(), past }
    }

    /// Whether something is still to be read that was there when it was opened.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.past.is_some()
    }

    /// The next record; waits for it as long as the broker may take to answer. After an error it goes on where it was.
    ///
    /// # Errors
    /// Nothing came, or the connection is gone.
    pub async fn next(&mut self) -> Result<Bytes, MembersError> {
        let read = self.tail.next().await;
        let (at, record) = read.map_err(|error| silent(&self.url, &error))?;
        self.past = self.past.filter(|past| at < *past);
        Ok(record)
    }
}

impl MembersWriter {
    /// Appends a record; it is stored when this returns.
    ///
    /// # Errors
    /// It may be stored or not.
    pub async fn append(&mut self, record: Bytes) -> Result<(), MembersError> {
        let appended = self.try_append(record).await;
        appended.map_err(|error| {
            self.writing = None;
            silent(&self.url, &error)
        })
    }

    async fn try_append(&mut self, record: Bytes) -> Result<(), LinkError> {
        let writing = match self.writing.take() {
            Some(writing) => writing,
            None => self.broker.share(&self.topic).await?,
        };
        let sending = writing.producer.send_bytes(record);
        let sent = Timer.limit(self.options.answer_max, sending).await;
        sent.map_err(|_| LinkError::Silent)??;
        self.writing = Some(writing);
        Ok(())
    }

    /// Lets go of the topic, and waits until every connection of both ends that was dropped is closed.
    pub async fn close(mut self) {
        self.writing = None;
        self.broker.closed().await;
    }
}

/// How the topic beside a log is reached.
fn beside(log: &PulsarOptions) -> PulsarOptions {
    PulsarOptions { namespace: format!("{}-cluster", log.namespace), ..log.clone() }
}

/// The name of its only partition.
fn address(options: &PulsarOptions) -> String {
    format!("persistent://{}/{}/{ENTRY}", options.tenant, options.namespace)
}

fn silent(url: &Arc<str>, error: &LinkError) -> MembersError {
    MembersError { url: Arc::clone(url), reason: error.to_string() }
}

/// Makes the topic exist, and says what there is of it.
async fn prepare(admin: &Admin<'_>) -> Result<Extent, OpenError> {
    let retention = admin.find(&format!("{}/retention", admin.namespace())).await?;
    let kept = json!({ "retentionTimeInMinutes": KEPT_MINUTES, "retentionSizeInMB": -1 });
    // Whoever wants to keep more of it may.
    let kept = if is_kept(&retention) { retention } else { kept };
    let policies = [
        ("retention", kept),
        ("deduplication", json!(false)),
        ("autoTopicCreation", json!({ "allowAutoTopicCreation": false })),
        ("backlogQuota", json!({ "limitSize": -1, "policy": "producer_request_hold" })),
    ];
    admin.prepare_namespace(policies).await?;
    admin.make(&format!("{}/partitions", admin.topic(TOPIC)), json!(1)).await?;
    let observed = observed_retention(admin).await?;
    if observed.standing == Standing::Broken {
        return Err(OpenError::Unkept(vec![observed]));
    }
    extent(admin).await
}

/// What there is of it, from an hour back.
async fn extent(admin: &Admin<'_>) -> Result<Extent, OpenError> {
    let entry = admin.topic(ENTRY);
    let stats = admin.ask(Method::GET, &format!("{entry}/internalStats"), None).await?;
    let now = stats.date.unwrap_or(Timestamp(0));
    let extent = Extent::of(&stats.json());
    if extent.last.is_none() {
        return Ok(extent);
    }
    let since = (now.0 / 1_000_000).saturating_sub(READ_BACK_MILLIS);
    let first = admin.ask(Method::GET, &format!("{entry}/messageid/{since}"), None).await?;
    Ok(extent.since(&first.json()))
}

/// Whether it forgets too soon, as somebody may have set it.
async fn observed_retention(admin: &Admin<'_>) -> Result<Observation, OpenError> {
    let applied = format!("{}/retention?applied=true", admin.topic(TOPIC));
    // A cluster without policies of topics does not answer that: then the namespace's is in force.
    let found = match admin.find(&applied).await? {
        Value::Null => admin.find(&format!("{}/retention", admin.namespace())).await?,
        found => found,
    };
    let observed = Observation::kept("members' topic", format!("keeps {found}"));
    if is_kept(&found) {
        return Ok(observed);
    }
    let why = "who begins to read there must find an hour of it";
    let topic = format!("{}/{}/{TOPIC}", admin.options.tenant, admin.options.namespace);
    let remedy = format!("pulsar-admin topicPolicies remove-retention persistent://{topic}");
    Ok(observed.broken(why, remedy))
}

/// Whether a retention keeps two hours, whatever their size.
fn is_kept(retention: &Value) -> bool {
    let number = |name: &str| retention[name].as_i64();
    let is_long = |minutes: i64| !(0..KEPT_MINUTES).contains(&minutes);
    number("retentionTimeInMinutes").is_some_and(is_long)
        && number("retentionSizeInMB").is_some_and(|size| size < 0)
}

impl std::fmt::Debug for MembersReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MembersReader").field("url", &self.url).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MembersWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MembersWriter").field("topic", &self.topic).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_kept;

    #[test]
    fn less_than_two_hours_are_not_enough() {
        let of = |minutes: i64, size: i64| {
            is_kept(&json!({ "retentionTimeInMinutes": minutes, "retentionSizeInMB": size }))
        };
        assert!(of(120, -1) && of(-1, -1) && of(1_440, -1));
        assert!(!of(119, -1) && !of(0, 0) && !of(120, 512));
        assert!(!is_kept(&json!(null)));
    }
}
