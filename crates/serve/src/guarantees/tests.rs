//! Every setting that changes a promise changes the sheet.

use std::time::Duration;

use tidings_admit::AdmitSettings;
use tidings_catalog::{Durability, Topic};
use tidings_event::{Timestamp, TopicId, TopicName};
use tidings_log::{Caps, Retention};

use super::{Guarantee, sheet};

const CAPS: Caps = Caps {
    engine: "embedded",
    durable: true,
    replicated: false,
    block_bytes_max: 1,
    journal_bytes_max: Some(777),
};

fn topic() -> Topic {
    Topic {
        id: TopicId(1),
        name: TopicName::default_tenant("a").unwrap(),
        partitions: 12,
        retention: Retention { age: Duration::from_secs(3_600), bytes: None },
        durability: Durability::Durable,
        template: None,
        created_at: Timestamp(0),
    }
}

fn one(name: &str, topic: &Topic, caps: &Caps) -> Guarantee {
    let sheet = sheet(topic, caps, &AdmitSettings::default());
    sheet.into_iter().find(|guarantee| guarantee.name == name).unwrap()
}

#[track_caller]
fn check(name: &str, topic: &Topic, caps: &Caps, level: &str, said: &[&str]) {
    let found = one(name, topic, caps);
    assert_eq!(found.level, level, "{found:?}");
    let text = format!("{}\n{}", found.detail, found.reason);
    for part in said {
        assert!(text.contains(part), "{part}: {found:?}");
    }
}

#[test]
fn the_sheet_covers_every_promise() {
    let sheet = sheet(&topic(), &CAPS, &AdmitSettings::default());
    let names: Vec<_> = sheet.iter().map(|g| g.name).collect();
    let all = ["order", "durability", "delivery", "deduplication", "retention", "loss", "replay"];
    assert_eq!(names, all);
    assert!(sheet.iter().all(|g| !g.detail.is_empty() && !g.reason.is_empty()));
}

#[test]
fn order_follows_the_partitions() {
    check("order", &topic(), &CAPS, "per_key", &["partitions = 12", "mod 12"]);
    check("order", &Topic { partitions: 1, ..topic() }, &CAPS, "total", &["partitions = 1"]);
}

#[test]
fn durability_follows_the_topic_and_the_engine() {
    check("durability", &topic(), &CAPS, "durable", &["engine = embedded", "synced"]);
    let memory = Topic { durability: Durability::Memory, ..topic() };
    check("durability", &memory, &CAPS, "memory", &["durability = memory"]);
    check("loss", &memory, &CAPS, "told", &["from memory"]);
    let volatile = Caps { engine: "memory", durable: false, ..CAPS };
    check("durability", &topic(), &volatile, "memory", &["engine = memory"]);
    let quorum = Caps { engine: "pulsar", replicated: true, ..CAPS };
    check("durability", &topic(), &quorum, "replicated", &["quorum"]);
    check("loss", &topic(), &quorum, "told", &["of one disk loses nothing"]);
}

#[test]
fn retention_follows_age_bytes_and_the_journals_cap() {
    let said = ["1h", "777 bytes", "`short`", "journal_bytes_max = 777", "bytes = none"];
    check("retention", &topic(), &CAPS, "age", &said);
    let age = Duration::from_secs(86_400 * 30);
    let both = Topic { retention: Retention { age, bytes: Some(5_000) }, ..topic() };
    check("retention", &both, &CAPS, "age_and_bytes", &["30d", "5000", "`medium`"]);
    let uncapped = Caps { journal_bytes_max: None, ..CAPS };
    check("retention", &topic(), &uncapped, "age", &["journal_bytes_max = none"]);
}

#[test]
fn deduplication_follows_admission() {
    let settings = AdmitSettings {
        window_ids: 42,
        window_age: Duration::from_secs(90),
        producers_max: 7,
        producer_idle: Duration::from_secs(3_600),
        ..AdmitSettings::default()
    };
    let sheet = sheet(&topic(), &CAPS, &settings);
    let found = sheet.iter().find(|g| g.name == "deduplication").unwrap();
    let text = format!("{}\n{}", found.detail, found.reason);
    for part in ["42", "90s", "producers_max = 7", "producer_idle = 1h", "1024"] {
        assert!(text.contains(part), "{part}: {found:?}");
    }
}
