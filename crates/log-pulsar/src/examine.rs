//! Whether a cluster lets the log keep its promise: what its brokers are, and how namespace and topics are set.
//!
//! First the admin interface is asked for everything, then all of it is judged.

mod judge;
mod version;

use std::time::Duration;

use futures::future::try_join_all;
use http::Method;
use serde_json::Value;
use tidings_event::{Clock, Timestamp};

use crate::admin::{Admin, topics};
use crate::link::{Broker, LinkError};
use crate::options::{OpenError, PulsarOptions};
use crate::security::{self, LinkFault};

/// How good what was found is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As the log needs it.
    Kept,
    /// The log keeps its promise, and something is worth a look.
    Doubtful,
    /// The log cannot keep its promise: it does not open.
    Broken,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it is about, in a word or two.
    pub about: &'static str,
    /// How good it is.
    pub standing: Standing,
    /// What was found.
    pub found: String,
    /// Why it matters; empty when all is well.
    pub why: &'static str,
    /// What to change; empty when all is well.
    pub remedy: String,
}

impl Observation {
    pub(crate) fn kept(about: &'static str, found: impl Into<String>) -> Self {
        let (why, remedy) = ("", String::new());
        Self { about, standing: Standing::Kept, found: found.into(), why, remedy }
    }

    pub(crate) fn doubtful(self, why: &'static str, remedy: impl Into<String>) -> Self {
        Self { standing: Standing::Doubtful, why, remedy: remedy.into(), ..self }
    }

    pub(crate) fn broken(self, why: &'static str, remedy: impl Into<String>) -> Self {
        Self { standing: Standing::Broken, why, remedy: remedy.into(), ..self }
    }
}

/// What the admin interface said.
#[derive(Default)]
struct Facts {
    /// `tenant/namespace`.
    namespace: String,
    version: String,
    /// The broker's clock, and this one's when it answered.
    clocks: Option<(Timestamp, Timestamp)>,
    /// The broker's configuration; `null` for who may not see it.
    broker: Value,
    /// Of the namespace.
    creation: Value,
    /// Those that are there.
    topics: Vec<TopicFacts>,
    /// Who writes to the log: its address, and since when.
    owner: Option<(String, String)>,
}

/// What is in force for one topic.
#[derive(Clone, Default)]
struct TopicFacts {
    name: &'static str,
    retention: Value,
    deduplication: Value,
    inactive: Value,
    quota: Value,
    message_size: Value,
    persistence: Value,
}

/// Looks at the cluster, and changes nothing.
///
/// # Errors
/// The admin interface cannot be reached, or refuses to say what version it is.
pub async fn examine(
    options: &PulsarOptions,
    clock: &dyn Clock,
) -> Result<Vec<Observation>, OpenError> {
    let mut all = security::look(options);
    match facts(&Admin::new(options), clock).await {
        Ok(facts) => {
            let mut judged = facts.judged();
            judged.insert(1, reached(options).await?);
            all.extend(judged);
        }
        // Two addresses, of which each may have its own fault.
        Err(OpenError::Link { url, fault }) => {
            all.push(faulty("admin", &url, &fault));
            all.push(reached(options).await?);
        }
        Err(error) => return Err(error),
    }
    Ok(all)
}

fn faulty(about: &'static str, url: &str, fault: &LinkFault) -> Observation {
    let why = "the service would not start with it";
    Observation::kept(about, format!("{url}: {fault}")).broken(why, fault.remedy())
}

/// Whether the log could be written to, by the address that is for that.
async fn reached(options: &PulsarOptions) -> Result<Observation, OpenError> {
    let broker = Broker::new(options)?;
    let tried = broker.connect().await.map(drop);
    broker.closed().await;
    let about = "connection";
    Ok(match tried {
        Ok(()) => Observation::kept(about, format!("{} answers", options.url)),
        Err(LinkError::Fault(fault)) => faulty(about, &options.url, &fault),
        Err(error) => {
            let why = "the log is written and read there: nothing can be stored";
            let remedy = "start the broker, or correct the address";
            Observation::kept(about, format!("{}: {error}", options.url)).broken(why, remedy)
        }
    })
}

/// Before the log is opened: refuses what is broken; what is doubtful is logged. Whether what is acknowledged is on more
/// than one disk.
pub(crate) async fn insist(options: &PulsarOptions, clock: &dyn Clock) -> Result<bool, OpenError> {
    let facts = facts(&Admin::new(options), clock).await?;
    let mut broken = [security::look(options), facts.judged()].concat();
    for it in broken.iter().filter(|it| it.standing == Standing::Doubtful) {
        tracing::warn!(about = it.about, found = %it.found, why = it.why, remedy = %it.remedy, "Pulsar");
    }
    broken.retain(|it| it.standing == Standing::Broken);
    if broken.is_empty() { Ok(facts.is_replicated()) } else { Err(OpenError::Unkept(broken)) }
}

async fn facts(admin: &Admin<'_>, clock: &dyn Clock) -> Result<Facts, OpenError> {
    let version = admin.ask(Method::GET, "brokers/version", None).await?;
    // Who may not even look into the tenant would be refused at the start.
    let tenant = &admin.options.tenant;
    if admin.find(&format!("namespaces/{tenant}")).await?.is_null() {
        // It has yet to be made.
        admin.find(&format!("tenants/{tenant}")).await?;
    }
    let clocks = version.date.map(|date| (date, clock.wall()));
    let found = try_join_all(topics().map(|topic| topic_facts(admin, topic))).await?;
    let state = admin.topic("state-partition-0");
    let stats = admin.find(&format!("{state}/stats")).await.unwrap_or_default();
    Ok(Facts {
        namespace: format!("{}/{}", admin.options.tenant, admin.options.namespace),
        version: String::from_utf8_lossy(&version.body).trim().trim_matches('"').to_owned(),
        clocks,
        // Some brokers tell it to superusers only.
        broker: admin.find("brokers/configuration/runtime").await.unwrap_or_default(),
        creation: admin.find(&format!("{}/autoTopicCreation", admin.namespace())).await?,
        topics: found.into_iter().flatten().collect(),
        owner: owner(&stats),
    })
}

/// `None` for one that is not there.
async fn topic_facts(
    admin: &Admin<'_>,
    name: &'static str,
) -> Result<Option<TopicFacts>, OpenError> {
    let path = admin.topic(name);
    let partitions = admin.find(&format!("{path}/partitions")).await?;
    if partitions["partitions"].as_u64().unwrap_or(0) == 0 {
        return Ok(None);
    }
    // As it is in force: of the topic, else of the namespace, else of the broker.
    let applied = async |what: &str| admin.find(&format!("{path}/{what}?applied=true")).await;
    // A cluster without policies of topics does not answer that.
    let in_force = async |what: &str, of_namespace: &str| match applied(what).await? {
        Value::Null => admin.find(&format!("{}/{of_namespace}", admin.namespace())).await,
        found => Ok(found),
    };
    Ok(Some(TopicFacts {
        name,
        retention: in_force("retention", "retention").await?,
        deduplication: in_force("deduplicationEnabled", "deduplication").await?,
        inactive: in_force("inactiveTopicPolicies", "inactiveTopicPolicies").await?,
        quota: in_force("backlogQuotaMap", "backlogQuotaMap").await?,
        message_size: applied("maxMessageSize").await?,
        persistence: in_force("persistence", "persistence").await?,
    }))
}

fn owner(stats: &Value) -> Option<(String, String)> {
    let publisher = stats["publishers"].as_array()?.first()?;
    let text = |name: &str| publisher[name].as_str().unwrap_or("unknown").to_owned();
    Some((text("address"), text("connectedSince")))
}

/// How far two clocks are apart.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    Duration::from_nanos(one.0.abs_diff(other.0))
}

#[cfg(test)]
mod tests;
