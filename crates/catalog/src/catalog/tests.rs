//! The catalog over a log in memory: topics, templates, subscriptions, restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::bytes::Bytes;
use tidings_event::{ManualClock, Timestamp, TopicId};
use tidings_log::{MemoryLog, Retention, Table, TableChange};
use tidings_match::{Filter, TopicPattern};

use super::*;
use crate::{DeliveryKind, InternalTopic, Start, records};

fn log() -> Arc<MemoryLog> {
    MemoryLog::new(Arc::new(ManualClock::at(Timestamp(1_000))))
}

async fn open(log: &Arc<MemoryLog>) -> Result<Arc<Catalog>, CatalogError> {
    let clock = Arc::clone(log.clock());
    Catalog::open(Arc::clone(log) as _, CatalogSettings::default(), clock).await
}

fn name(path: &str) -> TopicName {
    TopicName::default_tenant(path).unwrap()
}

fn spec(max_in_flight: u32) -> SubscriptionSpec {
    SubscriptionSpec {
        max_in_flight,
        delivery: DeliveryKind::Pull,
        labels: BTreeMap::from([("team".into(), "risk".into())]),
        owner: "risk".into(),
        ..SubscriptionSpec::new("risk", vec![TopicPattern::parse("analysis/**").unwrap()])
    }
}

#[tokio::test]
async fn templates_make_topics_for_configured_values_only() {
    let catalog = open(&log()).await.unwrap();
    let topic = catalog.topic_or_template(&name("analysis/patterns/high/1mo")).await.unwrap();
    assert_eq!((topic.partitions, topic.retention.age), (16, Duration::from_secs(90 * 86_400)));
    assert_eq!(topic.template.as_deref(), Some("analysis/patterns/{confidence_tier}/{timeframe}"));
    for path in ["analysis/patterns/high/7m", "analysis/anomalies/huge", "custom/x"] {
        let refusal = catalog.topic_or_template(&name(path)).await.unwrap_err();
        assert_eq!(refusal.code, Code::TopicUnknown, "{path}");
    }
    assert_eq!(catalog.snapshot().templates().len(), 6);
}

#[tokio::test]
async fn new_settings_count_from_then_on_and_impossible_ones_never() {
    let catalog = open(&log()).await.unwrap();
    let seven = name("analysis/indicators/7m");
    catalog.topic_or_template(&seven).await.unwrap_err();
    let timeframes = |list: &[&str]| CatalogSettings {
        timeframes: list.iter().map(|&text| text.to_owned()).collect(),
        topics_max: 1,
        ..CatalogSettings::default()
    };
    catalog.configure(timeframes(&["5 minutes"])).unwrap_err();
    catalog.topic_or_template(&seven).await.unwrap_err();
    catalog.configure(timeframes(&["7m"])).unwrap();
    catalog.topic_or_template(&seven).await.unwrap();
    let full = catalog.put_topic(name("x"), TopicRequest::default()).await.unwrap_err();
    assert_eq!(full.code, Code::TopicLimit);
    catalog.configure(timeframes(&[])).unwrap();
    catalog.topic_or_template(&seven).await.unwrap();
}

#[tokio::test]
async fn topics_survive_a_restart_and_their_numbers_are_not_used_again() {
    let log = log();
    let catalog = open(&log).await.unwrap();
    let first = catalog.put_topic(name("a"), TopicRequest::default()).await.unwrap().into_inner();
    catalog.put_topic(name("b"), TopicRequest::default()).await.unwrap();
    catalog.delete_topic(&name("b")).await.unwrap();
    let log = log.reopen();
    let catalog = open(&log).await.unwrap();
    assert_eq!(catalog.snapshot().topic(&name("a")), Some(&first));
    assert!(catalog.snapshot().topic(&name("b")).is_none());
    let again = catalog.put_topic(name("b"), TopicRequest::default()).await.unwrap().into_inner();
    assert_eq!((first.id, again.id), (TopicId(1), TopicId(3)));
}

#[tokio::test]
async fn a_topic_that_only_the_log_knows_takes_nothing_away() {
    let log = log();
    let catalog = open(&log).await.unwrap();
    // A crash came between the log's topic and the catalog's record.
    let orphan = tidings_log::TopicSpec {
        id: TopicId(1),
        partitions: 3,
        retention: CatalogSettings::default().retention,
    };
    tidings_log::PartitionLog::ensure_topic(&*log, &orphan).await.unwrap();
    let made = catalog.put_topic(name("a"), TopicRequest::default()).await.unwrap().into_inner();
    assert_eq!((made.id, made.partitions), (TopicId(2), 16));
}

#[tokio::test]
async fn a_topic_changes_within_its_class_only() {
    let catalog = open(&log()).await.unwrap();
    let days = |d: u64| {
        let retention = Retention { age: Duration::from_secs(d * 86_400), bytes: None };
        TopicRequest { retention: Some(retention), ..TopicRequest::default() }
    };
    let put = |request| catalog.put_topic(name("a"), request);
    assert!(matches!(put(days(3)).await, Ok(Applied::Created(_))));
    assert!(matches!(put(days(3)).await, Ok(Applied::Same(_))));
    assert!(matches!(put(days(4)).await, Ok(Applied::Updated(_))));
    let refusal = put(days(30)).await.unwrap_err();
    assert_eq!(refusal.code, Code::TopicExists);
    let more = TopicRequest { partitions: Some(8), ..TopicRequest::default() };
    let refusal = put(more).await.unwrap_err();
    assert_eq!((refusal.code, refusal.detail.as_str()), (Code::TopicExists, "partitions: 16 -> 8"));
    let none = TopicRequest { partitions: Some(0), ..TopicRequest::default() };
    assert_eq!(put(none).await.unwrap_err().code, Code::FieldInvalid);
}

#[tokio::test]
async fn the_same_subscription_again_is_the_same_and_another_names_the_difference() {
    let log = log();
    let catalog = open(&log).await.unwrap();
    catalog.topic_or_template(&name("analysis/summaries")).await.unwrap();
    let made = catalog.create_subscription("default", spec(10)).await.unwrap();
    let Applied::Created(made) = made else { panic!("it was not there") };
    assert_eq!(made.boundary.iter().count(), 16);
    let again = catalog.create_subscription("default", spec(10)).await.unwrap();
    assert_eq!(again, Applied::Same(Arc::clone(&made)));
    let refusal = catalog.create_subscription("default", spec(11)).await.unwrap_err();
    assert_eq!(
        (refusal.code, refusal.detail.as_str()),
        (Code::SubscriptionExists, "max_in_flight: 10 -> 11")
    );
    let catalog = open(&log.reopen()).await.unwrap();
    assert_eq!(catalog.snapshot().subscription("default", "risk"), Some(&made));
    assert!(catalog.snapshot().subscription("other", "risk").is_none());
    catalog.delete_subscription("default", "risk").await.unwrap();
    let refusal = catalog.delete_subscription("default", "risk").await.unwrap_err();
    assert_eq!(refusal.code, Code::SubscriptionUnknown);
}

#[tokio::test]
async fn records_that_leave_nothing_out_are_read_alike() {
    let catalog = open(&log()).await.unwrap();
    catalog.topic_or_template(&name("analysis/summaries")).await.unwrap();
    let made = catalog.create_subscription("default", spec(10)).await.unwrap().into_inner();
    // As they were written before.
    let whole = records::whole_subscription(&made);
    let short = records::put_subscription(&made);
    assert!(records::size(&short) + 50 < records::size(&whole));
    for record in [whole, short] {
        let read = records::subscription("s/default/risk", &record.value.unwrap()).unwrap();
        assert_eq!(read, *made);
    }
}

#[tokio::test]
async fn what_neighbours_have_alike_they_have_in_one_piece() {
    let log = log();
    let mut catalog = open(&log).await.unwrap();
    catalog.topic_or_template(&name("analysis/summaries")).await.unwrap();
    for (name, filter) in [("a", "priority > 3"), ("b", "priority > 3"), ("c", "priority  > 3")] {
        let filter = Some(Filter::compile(filter).unwrap());
        let spec = SubscriptionSpec { name: name.into(), filter, ..spec(10) };
        catalog.create_subscription("default", spec).await.unwrap();
    }
    for _ in 0..2 {
        let snapshot = catalog.snapshot();
        let find = |name| snapshot.subscription("default", name).unwrap();
        let (a, b, c) = (find("a"), find("b"), find("c"));
        for of in [&b.spec.topics, &c.spec.topics, &b.revisions[0].topics] {
            assert!(Arc::ptr_eq(&a.spec.topics, of));
        }
        assert!(Arc::ptr_eq(&a.tenant, &c.tenant));
        // What somebody wrote stays as it was written.
        let texts = [a, b, c].map(|of| of.spec.filter.as_ref().unwrap().text());
        assert_eq!(texts, ["priority > 3", "priority > 3", "priority  > 3"]);
        catalog = open(&log.reopen()).await.unwrap();
    }
}

#[tokio::test]
async fn a_bad_subscription_names_its_field() {
    let catalog = open(&log()).await.unwrap();
    let check = async |code: Code, change: fn(&mut SubscriptionSpec)| {
        let mut bad = spec(10);
        change(&mut bad);
        assert_eq!(catalog.create_subscription("default", bad).await.unwrap_err().code, code);
    };
    check(Code::SubscriptionNameInvalid, |s| s.name = "A b".into()).await;
    check(Code::FieldMissing, |s| s.topics = [].into()).await;
    check(Code::FieldInvalid, |s| s.max_in_flight = 0).await;
    check(Code::FieldInvalid, |s| s.ack_deadline = Duration::ZERO).await;
    let nowhere = "p1-63-1-0-0".parse().unwrap();
    let mut bad = spec(10);
    bad.start = Start::Positions(vec![nowhere]);
    let refusal = catalog.create_subscription("default", bad).await.unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field.as_str()),
        (Code::PositionInvalid, "start.positions[0]")
    );
}

#[tokio::test]
async fn a_record_of_a_later_version_is_refused_by_name() {
    let log = log();
    open(&log).await.unwrap();
    let (key, value) = (Bytes::from_static(b"t/default/a"), Some(Bytes::from_static(&[9, 1])));
    let change = TableChange { table: Table::CATALOG, key, value };
    let dynamic: Arc<dyn PartitionLog> = Arc::clone(&log) as _;
    dynamic.commit(dynamic.term(), vec![change]).unwrap().await.unwrap();
    let error = open(&log).await.err().unwrap();
    assert!(error.to_string().contains("`t/default/a` has version 9"), "{error}");
}

#[tokio::test]
async fn a_change_that_the_log_refuses_changes_nothing() {
    let log = log();
    let catalog = open(&log).await.unwrap();
    log.fail();
    let refusal = catalog.put_topic(name("a"), TopicRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code, Code::LogReadOnly);
    assert_eq!(catalog.snapshot().all_topics().count(), 0);
}

#[tokio::test]
async fn the_topics_of_the_service_are_in_the_log_and_nobodys_to_select_list_or_name() {
    let log = log();
    let catalog = open(&log).await.unwrap();
    let catalog = match catalog.put_topic(name("a"), TopicRequest::default()).await {
        Ok(_) => open(&log.reopen()).await.unwrap(),
        Err(refusal) => panic!("{refusal}"),
    };
    for topic in InternalTopic::ALL {
        let place = topic.about(tidings_event::PartitionId(topic.partitions + 3));
        assert_eq!(place.partition.0, 3);
        tidings_log::PartitionLog::bounds(&*log, place).unwrap();
        assert!(catalog.snapshot().topic_by_id(topic.id).is_none());
        assert!(TopicName::default_tenant(&topic.name()).is_err(), "{}", topic.name());
        assert!(TopicPattern::parse(&topic.name()).is_err(), "{}", topic.name());
    }
    let all = SubscriptionSpec::new("all", vec![TopicPattern::parse("**").unwrap()]);
    let made = catalog.create_subscription("default", all).await.unwrap().into_inner();
    assert!(made.boundary.iter().all(|(place, _)| place.topic == TopicId(1)));
    assert_eq!(catalog.snapshot().all_topics().count(), 1);
}

#[tokio::test]
async fn a_deleted_subscription_is_remembered_for_thirty_days_as_it_was() {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
    let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let catalog = open(&log).await.unwrap();
    let made = catalog.create_subscription("default", spec(10)).await.unwrap().into_inner();
    assert_eq!(catalog.past_subscriptions("default").unwrap(), []);
    catalog.delete_subscription("default", "risk").await.unwrap();
    let catalog = open(&log.reopen()).await.unwrap();
    let gone =
        PastSubscription { subscription: Subscription::clone(&made), deleted_at: Timestamp(1_000) };
    assert_eq!(catalog.past_subscriptions("default").unwrap(), std::slice::from_ref(&gone));
    assert_eq!(catalog.past_subscriptions("other").unwrap(), []);
    let delete_another_after = async |days: u64| {
        clock.advance(Duration::from_secs(days * 86_400));
        catalog.create_subscription("default", spec(days as u32)).await.unwrap();
        catalog.delete_subscription("default", "risk").await.unwrap();
        let past = catalog.past_subscriptions("default").unwrap();
        past.iter().map(|past| past.subscription.id.0).collect::<Vec<_>>()
    };
    assert_eq!(delete_another_after(29).await, [1, 2]);
    assert_eq!(delete_another_after(2).await, [2, 3]);
}
