//! Definitions over a log in memory: the first one wins, durably.

use prost::bytes::Bytes;
use tidings_event::{Code, ManualClock, Timestamp};
use tidings_log::MemoryLog;

use super::*;
use crate::{Catalog, CatalogSettings};

fn log() -> Arc<MemoryLog> {
    MemoryLog::new(Arc::new(ManualClock::at(Timestamp(1_000))))
}

async fn open(log: &Arc<MemoryLog>, definitions_max: usize) -> Arc<Catalog> {
    let settings = CatalogSettings { definitions_max, ..CatalogSettings::default() };
    Catalog::open(Arc::clone(log) as _, settings, Arc::clone(log.clock())).await.unwrap()
}

fn new(name: &str, hash: &'static [u8], source: &str) -> NewDefinition {
    let hash = Bytes::from_static(hash);
    NewDefinition { name: name.to_owned(), hash, source: source.to_owned() }
}

#[track_caller]
fn check(catalog: &Arc<Catalog>, tenant: &str, wanted: &[(&str, &[u8], &str)]) {
    let map = catalog.definitions(tenant);
    let mut found: Vec<_> =
        map.values().map(|d| (d.name.as_str(), d.hash.as_ref(), d.source.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, wanted);
    assert!(map.values().all(|definition| definition.registered_at == Timestamp(1_000)));
}

#[tokio::test]
async fn the_first_definition_stays_over_restarts_until_it_is_released() {
    let log = log();
    let catalog = open(&log, 10).await;
    let both = vec![new("rsi_14", b"first--1", "a"), new("rsi_14", b"second-2", "b")];
    catalog.define("default", both).await.unwrap();
    catalog.define("default", vec![new("rsi_14", b"second-2", "b")]).await.unwrap();
    catalog.define("other", vec![new("rsi_14", b"second-2", "c")]).await.unwrap();
    for catalog in [catalog, open(&log, 10).await] {
        check(&catalog, "default", &[("rsi_14", b"first--1", "a")]);
        check(&catalog, "other", &[("rsi_14", b"second-2", "c")]);
    }
    let catalog = open(&log, 10).await;
    assert_eq!(catalog.release_definition("default", "rsi_14").await.unwrap().source, "a");
    let again = catalog.release_definition("default", "rsi_14").await.unwrap_err();
    assert_eq!(again.code, Code::DefinitionUnknown);
    catalog.define("default", vec![new("rsi_14", b"second-2", "b")]).await.unwrap();
    check(&open(&log, 10).await, "default", &[("rsi_14", b"second-2", "b")]);
}

#[tokio::test]
async fn of_two_at_once_exactly_one_wins() {
    let catalog = open(&log(), 10).await;
    let (one, two) = tokio::join!(
        catalog.define("default", vec![new("x", b"oneoneon", "one")]),
        catalog.define("default", vec![new("x", b"twotwotw", "two")]),
    );
    one.and(two).unwrap();
    check(&catalog, "default", &[("x", b"oneoneon", "one")]);
}

#[tokio::test]
async fn a_tenant_has_a_most() {
    let catalog = open(&log(), 2).await;
    let three = ["a", "b", "c"].map(|name| new(name, b"12345678", "s")).to_vec();
    let refusal = catalog.define("default", three).await.unwrap_err();
    assert_eq!(refusal.code, Code::DefinitionLimit);
    assert!(refusal.detail.contains("`c`"), "{refusal}");
    check(&catalog, "default", &[("a", b"12345678", "s"), ("b", b"12345678", "s")]);
    catalog.define("other", vec![new("c", b"12345678", "s")]).await.unwrap();
}
