//! What a cluster says, and what is made of it.

use serde_json::{Value, json};
use tidings_event::Timestamp;

use super::{Facts, Observation, Standing, TopicFacts, version};

/// As it is after a start, on a cluster of three.
fn facts() -> Facts {
    let topic = TopicFacts {
        name: "short",
        retention: json!({ "retentionTimeInMinutes": -1, "retentionSizeInMB": -1 }),
        deduplication: json!(false),
        inactive: json!({ "deleteWhileInactive": false }),
        quota: json!({ "destination_storage": { "limitSize": -1, "policy": "producer_request_hold" } }),
        message_size: Value::Null,
        persistence: json!({ "bookkeeperWriteQuorum": 3, "bookkeeperAckQuorum": 2 }),
    };
    Facts {
        namespace: "tidings/log".to_owned(),
        version: "4.0.9".to_owned(),
        clocks: Some((Timestamp::from_millis(10_000), Timestamp::from_millis(11_500))),
        broker: json!({ "maxMessageSize": "5242880", "allowAutoTopicCreation": "true" }),
        creation: json!({ "allowAutoTopicCreation": false }),
        topics: vec![topic.clone(), TopicFacts { name: "state", ..topic }],
        owner: None,
    }
}

/// What is not well of these facts: one thing.
fn only(facts: &Facts) -> (&'static str, Standing, String) {
    let all = facts.judged();
    let told = |it: &&Observation| it.why.is_empty() == it.remedy.is_empty();
    assert!(all.iter().all(|it| told(&it)), "{all:?}");
    let bad: Vec<_> = all.iter().filter(|it| it.standing != Standing::Kept).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(!bad[0].why.is_empty(), "{bad:?}");
    (bad[0].about, bad[0].standing, bad[0].found.clone())
}

/// Facts of which one topic says something else.
fn with(change: impl FnOnce(&mut TopicFacts)) -> Facts {
    let mut facts = facts();
    change(&mut facts.topics[1]);
    facts
}

#[test]
fn a_cluster_as_it_should_be_is_well() {
    let all = facts().judged();
    assert!(all.iter().all(|it| it.standing == Standing::Kept && it.why.is_empty()), "{all:?}");
    assert_eq!(all.len(), 10);
    assert!(facts().is_replicated());
}

#[test]
fn a_cluster_without_a_log_is_well_too() {
    let all = Facts { topics: vec![], ..facts() }.judged();
    assert!(all.iter().all(|it| it.standing == Standing::Kept), "{all:?}");
    assert!(all.last().unwrap().found.contains("the first start makes it"), "{all:?}");
}

#[test]
fn what_loses_events_is_broken() {
    let finite = json!({ "retentionTimeInMinutes": 60, "retentionSizeInMB": -1 });
    let (about, standing, found) = only(&with(|topic| topic.retention = finite));
    assert_eq!((about, standing), ("retention", Standing::Broken));
    assert!(found.contains("60") && found.ends_with("for state"), "{found}");
    let unknown = only(&with(|topic| topic.retention = Value::Null));
    assert_eq!((unknown.0, unknown.1), ("retention", Standing::Broken));
    let on = only(&with(|topic| topic.deduplication = json!(true)));
    assert_eq!((on.0, on.1), ("deduplication", Standing::Broken));
    let small = only(&with(|topic| topic.message_size = json!(65_536)));
    assert_eq!((small.0, small.1), ("message size", Standing::Broken));
    let broker = json!({ "maxMessageSize": "65536", "allowAutoTopicCreation": "true" });
    assert_eq!(only(&Facts { broker, ..facts() }).1, Standing::Broken);
}

#[test]
fn what_is_worth_a_look_is_doubtful() {
    let doubtful = |facts: Facts, about| {
        let (found, standing, _) = only(&facts);
        assert_eq!((found, standing), (about, Standing::Doubtful));
    };
    let idle = json!({ "deleteWhileInactive": true });
    doubtful(with(|topic| topic.inactive = idle), "idle topics");
    let limited = json!({ "message_age": { "limitTime": 60, "policy": "producer_exception" } });
    doubtful(with(|topic| topic.quota = limited), "backlog quota");
    let one = json!({ "bookkeeperWriteQuorum": 1, "bookkeeperAckQuorum": 1 });
    let once = with(|topic| topic.persistence = one);
    assert!(!once.is_replicated());
    doubtful(once, "copies");
    doubtful(with(|topic| topic.persistence = Value::Null), "copies");
    doubtful(Facts { creation: Value::Null, ..facts() }, "topic creation");
    doubtful(Facts { broker: Value::Null, ..facts() }, "message size");
    let clocks = Some((Timestamp::from_millis(0), Timestamp::from_millis(6_000)));
    doubtful(Facts { clocks, ..facts() }, "broker clock");
    let owner = Some(("10.0.0.1:5000".to_owned(), "now".to_owned()));
    doubtful(Facts { owner, ..facts() }, "owner");
}

#[test]
fn a_quota_that_stops_nobody_is_well() {
    let evicts = json!({
        "destination_storage": { "limitSize": 10, "policy": "consumer_backlog_eviction" }
    });
    let all = with(|topic| topic.quota = evicts).judged();
    assert!(all.iter().all(|it| it.standing == Standing::Kept), "{all:?}");
}

#[test]
fn versions_are_known_by_what_they_lack() {
    use Standing::{Broken, Doubtful, Kept};
    for (version, standing, says) in [
        ("2.10.4", Broken, "two services"),
        ("3.0.11", Doubtful, "4.0 only"),
        ("4.0.3", Doubtful, "#23697"),
        ("4.0.8", Doubtful, "#25044"),
        ("4.0.9", Kept, ""),
        ("4.0.13-SNAPSHOT", Kept, ""),
        ("4.1.3", Doubtful, "4.0 only"),
        ("5.0.0-M1", Doubtful, "4.0 only"),
        ("unknown", Doubtful, "not known"),
    ] {
        let found = version::judge(version);
        assert_eq!(found.standing, standing, "{version}");
        assert!(found.why.contains(says), "{version}: {found:?}");
    }
}
