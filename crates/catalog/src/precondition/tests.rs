//! A condition is checked in one step with its change.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, ManualClock, Timestamp, TopicName};
use tidings_log::{MemoryLog, Retention};
use tokio::task::JoinSet;

use super::{Precondition, Version};
use crate::{Applied, Catalog, CatalogSettings, Topic, TopicRequest};

async fn open(log: &Arc<MemoryLog>) -> Arc<Catalog> {
    let clock = Arc::clone(log.clock());
    Catalog::open(Arc::clone(log) as _, CatalogSettings::default(), clock).await.unwrap()
}

fn log() -> Arc<MemoryLog> {
    MemoryLog::new(Arc::new(ManualClock::at(Timestamp(1_000))))
}

fn name() -> TopicName {
    TopicName::default_tenant("a").unwrap()
}

fn kept(seconds: u64) -> TopicRequest {
    let retention = Retention { age: Duration::from_secs(seconds), bytes: None };
    TopicRequest { retention: Some(retention), ..TopicRequest::default() }
}

async fn put(catalog: &Catalog, seconds: u64, expected: Precondition) -> Result<Arc<Topic>, Code> {
    let applied = catalog.put_topic_if(name(), kept(seconds), expected).await;
    applied.map(Applied::into_inner).map_err(|refusal| refusal.code)
}

fn exactly(version: Version) -> Precondition {
    Precondition::Versions(vec![Version(1), version])
}

#[tokio::test]
async fn a_change_is_made_only_where_its_condition_holds() {
    let catalog = open(&log()).await;
    let mismatch = Err(Code::EtagMismatch);
    assert_eq!(put(&catalog, 60, Precondition::Present).await, mismatch);
    assert_eq!(put(&catalog, 60, exactly(Version(7))).await, mismatch);
    let made = put(&catalog, 60, Precondition::Absent).await.unwrap();
    assert_eq!(put(&catalog, 70, Precondition::Absent).await, mismatch);
    let changed = put(&catalog, 70, exactly(made.version())).await.unwrap();
    assert_ne!(made.version(), changed.version());
    assert_eq!(put(&catalog, 80, exactly(made.version())).await, mismatch);
    assert_eq!(catalog.snapshot().topic(&name()).unwrap().retention.age.as_secs(), 70);

    let delete = async |expected| catalog.delete_topic_if(&name(), expected).await;
    assert_eq!(delete(exactly(made.version())).await.unwrap_err().code, Code::EtagMismatch);
    assert!(catalog.snapshot().topic(&name()).is_some());
    delete(exactly(changed.version())).await.unwrap();
    let gone = delete(exactly(changed.version())).await.unwrap_err();
    assert_eq!(gone.code, Code::TopicUnknown);
}

#[tokio::test]
async fn a_version_outlives_a_restart_and_not_a_new_topic_of_the_name() {
    let log = log();
    let catalog = open(&log).await;
    let made = put(&catalog, 60, Precondition::None).await.unwrap();
    let log = log.reopen();
    let catalog = open(&log).await;
    assert_eq!(catalog.snapshot().topic(&name()).unwrap().version(), made.version());
    catalog.delete_topic(&name()).await.unwrap();
    let again = put(&catalog, 60, Precondition::None).await.unwrap();
    assert_ne!(again.version(), made.version());
}

#[tokio::test]
async fn of_many_who_saw_one_version_exactly_one_changes_it() {
    let catalog = open(&log()).await;
    let seen = put(&catalog, 60, Precondition::None).await.unwrap().version();
    let mut editors = JoinSet::new();
    for seconds in 100..150 {
        let catalog = Arc::clone(&catalog);
        editors.spawn(async move { put(&catalog, seconds, exactly(seen)).await });
    }
    let outcomes = editors.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|o| o.is_ok() || *o == Err(Code::EtagMismatch)), "{outcomes:?}");
}
