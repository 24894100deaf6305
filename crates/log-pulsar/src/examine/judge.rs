//! What the facts mean for the log.

use std::time::Duration;

use serde_json::Value;

use super::{Facts, Observation, TopicFacts, apart, version};
use crate::message::MESSAGE_BYTES_MAX;

/// An HTTP date has whole seconds, and an answer takes its time.
const APART_MAX: Duration = Duration::from_secs(5);

impl Facts {
    pub(super) fn judged(&self) -> Vec<Observation> {
        let mut all = vec![version::judge(&self.version)];
        all.extend(self.clocks());
        all.push(self.message_size());
        if self.topics.is_empty() {
            let found = format!("{} has no log yet: the first start makes it", self.namespace);
            all.push(Observation::kept("namespace", found));
            return all;
        }
        all.extend([
            self.retention(),
            self.deduplication(),
            self.creation(),
            self.idle_topics(),
            self.backlog_quota(),
            self.copies(),
            self.owner(),
        ]);
        all
    }

    fn clocks(&self) -> Option<Observation> {
        let (theirs, ours) = self.clocks?;
        let apart = apart(theirs, ours);
        let found = format!("{} s from this one", apart.as_secs());
        let observation = Observation::kept("broker clock", found);
        let why = "times in Pulsar's own tools and logs do not fit those of the events";
        let remedy = "run chrony or systemd-timesyncd on both machines";
        Some(if apart > APART_MAX { observation.doubtful(why, remedy) } else { observation })
    }

    fn message_size(&self) -> Observation {
        let of_broker = number(&self.broker["maxMessageSize"]);
        let of_topics = self.topics.iter().filter_map(|topic| number(&topic.message_size));
        // A topic's own limit is off at 0.
        let least = of_broker.into_iter().chain(of_topics.filter(|size| *size > 0)).min();
        let about = "message size";
        let Some(least) = least else {
            let why = "a message of the log has up to so many bytes, and a larger block would never be stored";
            let remedy = format!("make sure that maxMessageSize is at least {MESSAGE_BYTES_MAX}");
            return Observation::kept(about, "cannot be told").doubtful(why, remedy);
        };
        let found = Observation::kept(about, format!("up to {least} bytes"));
        if least >= MESSAGE_BYTES_MAX as i64 {
            return found;
        }
        let why = "a large block would never be stored, and nothing after it";
        found.broken(why, format!("set maxMessageSize to at least {MESSAGE_BYTES_MAX}"))
    }

    /// Names of the topics of which this is so.
    fn which(&self, is_so: impl Fn(&TopicFacts) -> bool) -> String {
        let names = self.topics.iter().filter(|topic| is_so(topic)).map(|topic| topic.name);
        names.collect::<Vec<_>>().join(", ")
    }

    /// `pulsar-admin` for the namespace, and for topics that say otherwise.
    fn set(&self, namespace: &str, topics: &str) -> String {
        format!(
            "a start sets it for the namespace, as `pulsar-admin namespaces {namespace} {}` does; a topic that has it \
             otherwise: `pulsar-admin topicPolicies {topics}`",
            self.namespace
        )
    }

    fn retention(&self) -> Observation {
        let ends = |topic: &TopicFacts| {
            let of = |name: &str| number(&topic.retention[name]);
            of("retentionTimeInMinutes") != Some(-1) || of("retentionSizeInMB") != Some(-1)
        };
        let (about, which) = ("retention", self.which(ends));
        if which.is_empty() {
            return Observation::kept(about, "without end: the service says what goes");
        }
        let said = self.topics.iter().find(|topic| ends(topic)).map(|topic| &topic.retention);
        let said = said.cloned().unwrap_or_default();
        let why = "the broker removes what was acknowledged, read or not";
        let remedy = self.set("set-retention --time -1 --size -1", "remove-retention TOPIC");
        Observation::kept(about, format!("{said} for {which}")).broken(why, remedy)
    }

    fn deduplication(&self) -> Observation {
        let (about, which) =
            ("deduplication", self.which(|topic| topic.deduplication == Value::Bool(true)));
        if which.is_empty() {
            return Observation::kept(about, "off: the log knows repeats by itself");
        }
        let why =
            "the broker takes what a new connection sends for repeats, and drops it with a receipt";
        let remedy = self.set("set-deduplication --disable", "remove-deduplication TOPIC");
        Observation::kept(about, format!("on for {which}")).broken(why, remedy)
    }

    fn creation(&self) -> Observation {
        let about = "topic creation";
        let of_broker = || self.broker["allowAutoTopicCreation"].as_str() != Some("false");
        let by_itself = self.creation["allowAutoTopicCreation"].as_bool().unwrap_or_else(of_broker);
        if !by_itself {
            return Observation::kept(about, "only when asked for");
        }
        let why = "a topic that somebody removes comes back empty: the log would go on without what was in it";
        let remedy = format!(
            "a start sets it, as `pulsar-admin namespaces set-auto-topic-creation --disable {}` does",
            self.namespace
        );
        Observation::kept(about, "by whoever connects").doubtful(why, remedy)
    }

    fn idle_topics(&self) -> Observation {
        let (about, which) = (
            "idle topics",
            self.which(|topic| topic.inactive["deleteWhileInactive"] == Value::Bool(true)),
        );
        if which.is_empty() {
            return Observation::kept(about, "stay");
        }
        let why = "only retention keeps the broker from removing a log whose service is stopped";
        let remedy = self.set(
            "set-inactive-topic-policies --disable-delete-while-inactive -t 1d -m delete_when_no_subscriptions",
            "remove-inactive-topic-policies TOPIC",
        );
        Observation::kept(about, format!("may be removed: {which}")).doubtful(why, remedy)
    }

    fn backlog_quota(&self) -> Observation {
        let stops = |topic: &TopicFacts| {
            let kinds = ["destination_storage", "message_age"].map(|kind| &topic.quota[kind]);
            kinds.into_iter().any(|quota| {
                let limit = ["limitSize", "limitTime"].map(|name| number(&quota[name]));
                let policy = quota["policy"].as_str().unwrap_or_default();
                policy.starts_with("producer_") && limit.into_iter().flatten().any(|it| it > 0)
            })
        };
        let (about, which) = ("backlog quota", self.which(stops));
        if which.is_empty() {
            return Observation::kept(about, "none that stops a producer");
        }
        let why = "a subscription of somebody else that falls behind so far stops the log";
        let remedy = self
            .set("set-backlog-quota -l -1 -p producer_request_hold", "remove-backlog-quota TOPIC");
        Observation::kept(about, format!("stops producers of {which}")).doubtful(why, remedy)
    }

    /// The least that any topic says.
    fn quorum(&self, of: &str) -> Option<i64> {
        // One that does not say it is none.
        let said = self.topics.iter().map(|topic| number(&topic.persistence[of]));
        said.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Whether what is acknowledged is on more than one disk.
    pub(super) fn is_replicated(&self) -> bool {
        self.quorum("bookkeeperAckQuorum").is_some_and(|confirmed| confirmed > 1)
    }

    fn copies(&self) -> Observation {
        let about = "copies";
        let written = self.quorum("bookkeeperWriteQuorum");
        let (Some(written), Some(confirmed)) = (written, self.quorum("bookkeeperAckQuorum")) else {
            let why = "how many disks have what was acknowledged is not known";
            let remedy = "ask for the namespace's persistence, and for the broker's defaults";
            return Observation::kept(about, "cannot be told").doubtful(why, remedy);
        };
        let found =
            format!("{written} written, {confirmed} confirmed before a publish is answered");
        let found = Observation::kept(about, found);
        if self.is_replicated() {
            return found;
        }
        let why = "what was acknowledged may be on one disk only: losing that loses it";
        let remedy = format!(
            "with three bookies or more: `pulsar-admin namespaces set-persistence -e 3 -w 3 -a 2 {}`; with one, \
             journalSyncData=true in its configuration, which cannot be seen from here, or a power cut loses it, too",
            self.namespace
        );
        found.doubtful(why, remedy)
    }

    fn owner(&self) -> Observation {
        let about = "owner";
        let Some((address, since)) = &self.owner else {
            return Observation::kept(about, "nobody has the log open");
        };
        let why =
            "one service at a time has a log: one that starts takes it from the one that has it";
        let remedy =
            "nothing if that is this service; else stop it first, or name another namespace";
        Observation::kept(about, format!("{address} has it open since {since}"))
            .doubtful(why, remedy)
    }
}

/// A number, also where it is written as text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
