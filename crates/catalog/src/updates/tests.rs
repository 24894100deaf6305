//! Changes of a subscription against what a list of all of them says: any sequence, with restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{Clock, ManualClock, Offset, Timestamp, TopicName};
use tidings_log::{MemoryLog, PartitionLog};
use tidings_match::{Filter, TopicPattern};

use super::*;
use crate::{Catalog, CatalogSettings, Mode, Progress, Start, SubscriptionId, TopicRequest};

const NAME: &str = "desk";

fn log() -> Arc<MemoryLog> {
    MemoryLog::new(Arc::new(ManualClock::at(Timestamp(1_000))))
}

async fn open(log: &Arc<MemoryLog>) -> Arc<Catalog> {
    let clock: Arc<dyn Clock> = Arc::clone(log.clock());
    Catalog::open(Arc::clone(log) as _, CatalogSettings::default(), clock).await.unwrap()
}

fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
    texts.iter().map(|text| TopicPattern::parse(text).unwrap()).collect()
}

async fn topic(catalog: &Catalog, path: &str, partitions: u32) {
    let request = TopicRequest { partitions: Some(partitions), ..TopicRequest::default() };
    catalog.put_topic(TopicName::default_tenant(path).unwrap(), request).await.unwrap();
}

async fn create(catalog: &Catalog, topics: &[&str]) -> Arc<Subscription> {
    let spec = SubscriptionSpec::new(NAME, patterns(topics));
    catalog.create_subscription("default", spec).await.unwrap().into_inner()
}

async fn update(
    catalog: &Catalog,
    change: impl FnOnce(&mut SubscriptionSpec) + Send + 'static,
) -> Result<Applied<Arc<Subscription>>, Refusal> {
    let change = |spec: &SubscriptionSpec| {
        let mut spec = spec.clone();
        change(&mut spec);
        Ok(spec)
    };
    catalog.update_subscription("default", NAME, change, Precondition::None).await
}

/// Appends one event to a partition.
async fn publish(log: &MemoryLog, place: TopicPartition) {
    log.append(vec![one_event(log, place)]).unwrap().await.unwrap();
}

fn one_event(log: &MemoryLog, place: TopicPartition) -> Block {
    let mut builder = BodyBuilder::default();
    assert!(builder.push(b"event"));
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: place,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: log.bounds(place).unwrap().tail,
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: Timestamp(1),
        producer: None,
        extensions: prost::bytes::Bytes::new(),
    };
    Block { header, body }
}

/// Everything up to the tails is settled, or nothing is.
struct Settled(Option<Arc<MemoryLog>>);

impl Progress for Settled {
    fn settled_below(&self, _: SubscriptionId, place: TopicPartition) -> Option<Offset> {
        Some(self.0.as_ref().map_or(Offset(0), |log| log.bounds(place).unwrap().durable_tail))
    }

    fn hold(&self, _: SubscriptionId) {}

    fn let_go(&self, _: SubscriptionId) {}
}

#[tokio::test]
async fn what_is_decided_at_birth_stays_and_the_rest_may_change() {
    let catalog = open(&log()).await;
    create(&catalog, &["a/**"]).await;
    let check = async |field: &str, change: fn(&mut SubscriptionSpec)| {
        let refusal = update(&catalog, change).await.unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, field));
    };
    check("name", |s| s.name = "other".into()).await;
    check("start", |s| s.start = Start::Earliest).await;
    check("delivery", |s| s.delivery = crate::DeliveryKind::Pull).await;
    check("sharing", |s| s.sharing = crate::Sharing::Group).await;
    check("max_in_flight", |s| s.max_in_flight = 0).await;
    check("retry.max_attempts", |s| s.retry.max_attempts = 0).await;
    let updated = update(&catalog, |s| {
        s.max_in_flight = 7;
        s.mode = Mode::Parallel;
        s.retry.max_attempts = 3;
        s.expires_after = Some(Duration::from_secs(60));
        s.owner = "risk".into();
    });
    let Applied::Updated(updated) = updated.await.unwrap() else { panic!("it has changed") };
    // It selects what it selected: no new revision.
    assert_eq!((updated.revisions.len(), updated.spec.max_in_flight), (1, 7));
    let same = update(&catalog, |s| s.max_in_flight = 7).await.unwrap();
    assert_eq!(same, Applied::Same(updated));
}

#[tokio::test]
async fn a_change_for_another_version_changes_nothing() {
    let catalog = open(&log()).await;
    let made = create(&catalog, &["a/**"]).await;
    let current = || Precondition::Versions(vec![made.version()]);
    let paused = catalog.set_paused("default", NAME, true, current()).await.unwrap();
    assert!(matches!(&paused, Applied::Updated(paused) if paused.is_paused));
    let refusal = catalog.set_paused("default", NAME, false, current()).await.unwrap_err();
    assert_eq!(refusal.code, Code::EtagMismatch);
    let again = catalog.set_paused("default", NAME, true, Precondition::None).await.unwrap();
    assert!(matches!(again, Applied::Same(_)));
    let keep = |spec: &SubscriptionSpec| Ok(spec.clone());
    let refusal = catalog.update_subscription("default", NAME, keep, current()).await.unwrap_err();
    assert_eq!(refusal.code, Code::EtagMismatch);
    let refusal = catalog.set_paused("default", "none", true, Precondition::None).await;
    assert_eq!(refusal.unwrap_err().code, Code::SubscriptionUnknown);
}

/// Publishes whenever a subscription is held, and notes how many revisions it has when it is let go.
struct Publishing {
    log: Arc<MemoryLog>,
    catalog: std::sync::Weak<Catalog>,
    revisions: std::sync::Mutex<Vec<usize>>,
}

impl Progress for Publishing {
    fn settled_below(&self, _: SubscriptionId, _: TopicPartition) -> Option<Offset> {
        None
    }

    fn hold(&self, _: SubscriptionId) {
        let block = one_event(&self.log, TopicPartition::new(1, 0));
        // The log in memory is done with it at once.
        drop(self.log.append(vec![block]).unwrap());
    }

    fn let_go(&self, _: SubscriptionId) {
        let snapshot = self.catalog.upgrade().unwrap().snapshot();
        let found = snapshot.subscription("default", NAME).unwrap();
        self.revisions.lock().unwrap().push(found.revisions.len());
    }
}

#[tokio::test]
async fn a_subscription_is_held_from_before_its_boundary_until_the_change_is_seen() {
    let log = log();
    let catalog = open(&log).await;
    topic(&catalog, "a/x", 1).await;
    create(&catalog, &["a/**"]).await;
    let progress = Arc::new(Publishing {
        log: Arc::clone(&log),
        catalog: Arc::downgrade(&catalog),
        revisions: std::sync::Mutex::default(),
    });
    catalog.ask(Arc::clone(&progress) as _);
    let changed = update(&catalog, |s| s.topics = patterns(&["a/*"]).into()).await.unwrap();
    let boundary = changed.into_inner().revision().unwrap().boundary.clone();
    assert_eq!(boundary.get(TopicPartition::new(1, 0)), Some(Offset(1)));
    // Nothing that is selected changes here.
    update(&catalog, |s| s.max_in_flight = 7).await.unwrap();
    assert_eq!(*progress.revisions.lock().unwrap(), [2]);
}

/// How often a subscription was held, and let go.
#[derive(Default)]
struct Counting(std::sync::Mutex<(u32, u32)>);

impl Progress for Counting {
    fn settled_below(&self, _: SubscriptionId, _: TopicPartition) -> Option<Offset> {
        None
    }

    fn hold(&self, _: SubscriptionId) {
        self.0.lock().unwrap().0 += 1;
    }

    fn let_go(&self, _: SubscriptionId) {
        self.0.lock().unwrap().1 += 1;
    }
}

#[tokio::test]
async fn a_subscription_is_not_let_go_when_nobody_knows_whether_its_change_is_stored() {
    let log = log();
    let catalog = open(&log).await;
    topic(&catalog, "a/x", 1).await;
    create(&catalog, &["a/**"]).await;
    let progress = Arc::new(Counting::default());
    catalog.ask(Arc::clone(&progress) as _);
    log.hold();
    let change = update(&catalog, |s| s.topics = patterns(&["a/*"]).into());
    let break_off = async {
        while *progress.0.lock().unwrap() == (0, 0) {
            tokio::task::yield_now().await;
        }
        log.fail();
    };
    let (changed, ()) = tokio::join!(change, break_off);
    assert_eq!(changed.unwrap_err().code, Code::UnknownOutcome);
    assert_eq!(*progress.0.lock().unwrap(), (1, 0));
    // One that is certainly not stored lets go what it held, and no more.
    let refused = update(&catalog, |s| s.topics = patterns(&["b/*"]).into()).await;
    assert_eq!(refused.unwrap_err().code, Code::LogReadOnly);
    assert_eq!(*progress.0.lock().unwrap(), (2, 1));
}

#[tokio::test]
async fn only_revisions_that_judge_nothing_any_more_are_let_go() {
    for everything_is_settled in [false, true] {
        let log = log();
        let catalog = open(&log).await;
        topic(&catalog, "a/x", 1).await;
        let place = TopicPartition::new(1, 0);
        create(&catalog, &["a/**"]).await;
        catalog.ask(Arc::new(Settled(everything_is_settled.then(|| Arc::clone(&log)))));
        let mut changed = Ok(());
        for number in 0..REVISIONS_MAX {
            publish(&log, place).await;
            let texts = if number % 2 == 0 { ["a/*"] } else { ["a/**"] };
            changed =
                update(&catalog, move |s| s.topics = patterns(&texts).into()).await.map(|_| ());
        }
        let snapshot = catalog.snapshot();
        let kept = &snapshot.subscription("default", NAME).unwrap().revisions;
        let numbers: Vec<u32> = kept.iter().map(|revision| revision.number).collect();
        let most = u32::try_from(REVISIONS_MAX).unwrap();
        if everything_is_settled {
            changed.unwrap();
            assert_eq!(numbers, (2..=most + 1).collect::<Vec<_>>());
        } else {
            assert_eq!(changed.unwrap_err().code, Code::ResourceExhausted);
            assert_eq!(numbers, (1..=most).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_into_a_record_is_refused_and_changes_nothing() {
    let log = log();
    let catalog = open(&log).await;
    topic(&catalog, "a/x", 1_024).await;
    create(&catalog, &["a/**"]).await;
    catalog.ask(Arc::new(Settled(None)));
    for partition in 0..1_024 {
        publish(&log, TopicPartition::new(1, partition)).await;
    }
    // 64 revisions fit, whatever they say, unless their filters are long.
    let mut refused = None;
    for number in 0..REVISIONS_MAX {
        let long = format!("source == \"{number}\"{}", " ".repeat(50 << 10));
        let long = Filter::compile(&long).unwrap();
        let before = catalog.snapshot().subscription("default", NAME).unwrap().version();
        if let Err(refusal) = update(&catalog, move |s| s.filter = Some(long)).await {
            let after = catalog.snapshot().subscription("default", NAME).unwrap().version();
            assert_eq!(before, after);
            refused = Some((number, refusal.code));
            break;
        }
    }
    let (number, code) = refused.unwrap();
    assert!((10..64).contains(&number));
    assert_eq!(code, Code::ResourceExhausted);
    open(&log.reopen()).await;
}

#[derive(Clone, Debug)]
enum Step {
    Publish { topic: u64, partition: u32 },
    Topics(Vec<&'static str>),
    Filter(Option<u8>),
    Labels(u8),
    Pause(bool),
    AddTopic,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let choices = prop_oneof![
        Just(vec!["a/*"]),
        Just(vec!["b/*"]),
        Just(vec!["**"]),
        Just(vec!["a/x", "b/*"]),
    ];
    let step = prop_oneof![
        6 => (1u64..8, 0u32..2).prop_map(|(topic, partition)| Step::Publish { topic, partition }),
        3 => choices.prop_map(Step::Topics),
        3 => proptest::option::of(0u8..3).prop_map(Step::Filter),
        1 => (0u8..3).prop_map(Step::Labels),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::AddTopic),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What was selected when each event came: nothing of its topic, or what passes a filter.
type Judges = BTreeMap<(TopicPartition, u64), Option<Option<Filter>>>;

const PATHS: [&str; 7] = ["a/x", "b/x", "a/y", "b/y", "c", "a/z", "b/z"];

fn verdict(revision: &Revision, topic: u64) -> Option<Option<Filter>> {
    let path = PATHS[usize::try_from(topic).unwrap() - 1];
    revision.covers(path).then(|| revision.filter.clone())
}

async fn play(steps: Vec<Step>) {
    let mut log = log();
    let mut catalog = open(&log).await;
    let mut topics = 2u64;
    for path in &PATHS[..2] {
        topic(&catalog, path, 2).await;
    }
    create(&catalog, &["a/*"]).await;
    let mut judges = Judges::new();
    let current =
        |catalog: &Catalog| Arc::clone(catalog.snapshot().subscription("default", NAME).unwrap());
    for step in steps {
        let before = current(&catalog);
        match step {
            Step::Publish { topic, partition } if topic <= topics => {
                let place = TopicPartition::new(topic, partition);
                let judged = verdict(before.revision().unwrap(), topic);
                judges.insert((place, log.bounds(place).unwrap().tail.0), judged);
                publish(&log, place).await;
            }
            Step::Topics(list) => {
                drop(update(&catalog, move |s| s.topics = patterns(&list).into()).await.unwrap());
            }
            Step::Filter(value) => {
                let filter = value.map(|value| format!("source == \"{value}\""));
                let filter = filter.map(|text| Filter::compile(&text).unwrap());
                drop(update(&catalog, move |s| s.filter = filter).await.unwrap());
            }
            Step::Labels(value) => {
                let labels = BTreeMap::from([("team".to_owned(), value.to_string())]);
                drop(update(&catalog, move |s| s.labels = labels).await.unwrap());
            }
            Step::Pause(is_paused) => {
                let paused = catalog.set_paused("default", NAME, is_paused, Precondition::None);
                drop(paused.await.unwrap());
            }
            Step::AddTopic if topics < 7 => {
                topic(&catalog, PATHS[usize::try_from(topics).unwrap()], 2).await;
                topics += 1;
            }
            Step::Restart => {
                log = log.reopen();
                catalog = open(&log).await;
                assert_eq!(current(&catalog), before);
            }
            _ => {}
        }
        let after = current(&catalog);
        check(&before, &after, &judges);
    }
}

fn check(before: &Subscription, after: &Subscription, judges: &Judges) {
    let numbers: Vec<u32> = after.revisions.iter().map(|revision| revision.number).collect();
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    let last = after.revision().unwrap();
    assert_eq!((&last.topics, &last.filter), (&after.spec.topics, &after.spec.filter));
    let selects = |s: &Subscription| (s.spec.topics.clone(), s.spec.filter.clone());
    let grown = usize::from(selects(before) != selects(after));
    assert_eq!(after.revisions.len(), before.revisions.len() + grown);
    for pair in after.revisions.windows(2) {
        for (place, first) in pair[0].boundary.iter() {
            assert!(pair[1].boundary.get(place) >= Some(first), "{place:?}");
        }
    }
    for (&(place, offset), judged) in judges {
        let judge = after.revision_at(place, Offset(offset)).unwrap();
        assert_eq!(verdict(judge, place.topic.0), *judged, "{place:?} {offset}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_changes_leave_dense_revisions_that_each_judge_what_came_in_their_time(
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps));
    }
}
