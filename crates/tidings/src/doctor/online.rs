//! A running service: reachable, ready, of this version, not behind.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tidings_client::documents::{ConfigDocument, TopicListDocument};
use tidings_client::{Client, ClientError, Rest};
use tidings_telemetry::Timer;

use super::finding::{Finding, Report};
use crate::failure::Failure;
use crate::scraped::value;

/// How long the service may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// More unsettled events than this are worth a look.
const LAG_EVENTS: u64 = 100_000;

/// Asks a service for everything that tells whether it keeps the promise.
pub(super) async fn check(url: &str, report: &mut Report) -> Result<(), Failure> {
    let late = |_| Failure::Unreachable(format!("{url} does not answer"));
    let client = Timer.limit(ANSWER, Client::connect(url)).await.map_err(late)??;
    let rest = client.rest();
    Timer.limit(ANSWER, rest.get("/livez")).await.map_err(late)??;
    report.add(Finding::ok("reachable", url));
    report.add(ready(Timer.limit(ANSWER, rest.get("/readyz")).await.map_err(late)?.err()));
    let config: ConfigDocument = get(rest, "/api/v1/config").await?;
    report.extend(configured(&config));
    let metrics = Timer.limit(ANSWER, rest.get("/metrics")).await.map_err(late)??;
    let metrics = String::from_utf8_lossy(&metrics);
    report.extend(measured(&metrics, &config));
    report.add(super::capacity::used(&metrics));
    report.add(durable(&get(rest, "/api/v1/topics?limit=1000").await?));
    let lagging = Timer.limit(ANSWER, lagging(rest)).await.map_err(late)??;
    report.add(behind(&lagging));
    Ok(())
}

async fn get<T: DeserializeOwned>(rest: &Rest, path: &str) -> Result<T, Failure> {
    let asked = Timer.limit(ANSWER, rest.get(path)).await;
    let text = asked.map_err(|_| Failure::Failed(format!("{path} does not answer")))??;
    Ok(serde_json::from_slice(&text)?)
}

fn ready(error: Option<ClientError>) -> Finding {
    let Some(error) = error else { return Finding::ok("ready", "it stores and reads back") };
    let why = "publishes are refused; load balancers send nothing here";
    let remedy = "docs/operate/health.md lists the reasons; the service's log has the first one";
    Finding::fail("ready", error.to_string(), why, remedy)
}

fn configured(config: &ConfigDocument) -> Vec<Finding> {
    let (theirs, ours) = (&config.version, env!("CARGO_PKG_VERSION"));
    let mut findings = vec![if theirs == ours {
        Finding::ok("version", theirs)
    } else {
        let found = format!("the service is {theirs}, this command is {ours}");
        let why = "a command may not know what the service does";
        Finding::warn("version", found, why, "use the executable of the service")
    }];
    let waiting: Vec<_> = config.waiting_for_restart.iter().map(|w| w.key.as_str()).collect();
    let loaded = format!("read {} times, last at {}", config.generation, config.loaded_at);
    findings.push(match &config.refused {
        Some(refused) => {
            let why = "what was written is not what is in force, and would not start";
            Finding::warn("configuration", refused, why, "correct it, then reload")
        }
        None if waiting.is_empty() => Finding::ok("configuration", loaded),
        None => {
            let found = format!("{} wait for a restart", waiting.join(", "));
            let why = "what was written is not what is in force";
            Finding::warn("configuration", found, why, "restart the service")
        }
    });
    if config.config.get("server").and_then(|s| s.get("insecure")) == Some(&true.into()) {
        let why = "whoever reaches it can read and publish: nobody is authenticated";
        let remedy = "let only trusted machines reach the port";
        findings.push(Finding::warn("access", "server.insecure is on", why, remedy));
    }
    findings
}

pub(super) fn measured(metrics: &str, config: &ConfigDocument) -> Vec<Finding> {
    let bad = |name: &str| value(metrics, name) > 0.0;
    let mut findings = Vec::new();
    findings.push(if bad("tidings_log_read_only_journals") {
        let why = "a failed sync is never trusted again: nothing is stored until a restart";
        let remedy = "look at the disk, then restart the service";
        Finding::fail("log", "a journal is read-only after an I/O error", why, remedy)
    } else if bad("tidings_log_damaged_blocks_total") {
        let why = "consumers get gap notices in place of the events";
        let remedy = "stop it and run `tidings check`; restore a backup";
        Finding::fail("log", "damaged blocks were found", why, remedy)
    } else {
        Finding::ok("log", "no journal is read-only, no block damaged")
    });
    let most = config.config.get("log").and_then(|keys| keys.get("queue_bytes_max"));
    let most = most.and_then(serde_json::Value::as_f64).unwrap_or(f64::MAX);
    let queued = value(metrics, "tidings_log_queued_bytes");
    let found = format!("{queued} bytes wait to be written");
    findings.push(if queued * 2.0 > most {
        let why = "above half of log.queue_bytes_max publishers are asked to wait";
        Finding::warn("pressure", found, why, "see the sync speed of the disk")
    } else {
        Finding::ok("pressure", found)
    });
    if bad("tidings_log_wall_doubted") {
        let why = "retention by age waits until the clock is believed";
        findings.push(Finding::warn("clock", "the wall clock jumped", why, "set the clock right"));
    }
    findings
}

fn durable(topics: &TopicListDocument) -> Finding {
    let memory = topics.topics.iter().filter(|topic| topic.durability == "memory");
    let names: Vec<_> = memory.map(|topic| topic.name.as_str()).collect();
    if names.is_empty() {
        let found = format!("{} topics, all durable", topics.topics.len());
        return Finding::ok("durability", found);
    }
    let why = "their events are acknowledged before they are on disk, and may be lost";
    let remedy = "nothing if that is meant; else create them with durability durable";
    Finding::warn("durability", format!("in memory: {}", names.join(", ")), why, remedy)
}

/// Subscriptions that are stalled or far behind, with how much.
async fn lagging(rest: &Rest) -> Result<(usize, Vec<String>), ClientError> {
    let list = rest.subscriptions().await?.subscriptions;
    let mut behind = Vec::new();
    for subscription in &list {
        let status = rest.status(&subscription.name).await?;
        if status.lag_events >= LAG_EVENTS || status.state == "stalled" {
            behind
                .push(format!("{} ({}, {} events)", status.name, status.state, status.lag_events));
        }
    }
    Ok((list.len(), behind))
}

fn behind((count, behind): &(usize, Vec<String>)) -> Finding {
    if behind.is_empty() {
        return Finding::ok("lag", format!("{count} subscriptions, none far behind"));
    }
    let why = "what retention removes before it is read is lost to them, with gap notices";
    let remedy = "start their consumers, add some, or delete subscriptions that nobody needs";
    Finding::warn("lag", behind.join(", "), why, remedy)
}
