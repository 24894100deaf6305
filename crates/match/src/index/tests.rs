//! The index against asking every filter.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_event::block::{BodyBuilder, events};
use tidings_event::v1::{self, Kind, Severity, event::Payload};
use tidings_event::{encode, glance};

use super::{Index, Matches, Run};
use crate::Filter;

/// Filters that overlap in every way an index must keep apart.
const FILTERS: [&str; 14] = [
    r#"instrument == "A""#,
    r#"instrument in ["A", "B"]"#,
    r#"instrument == "B" && timeframe == "1m""#,
    r#"timeframe == "1m" && instrument == "B""#,
    r#"timeframe in ["1m", "5m"]"#,
    r#"severity >= "HIGH""#,
    r#"kind == "ANOMALY" || severity == "LOW""#,
    r#"venue == "XXXX" && revision > 1"#,
    r#"source == "s1""#,
    r#"anomaly.z_score > 3"#,
    r#"revision < 2"#,
    r#"!(instrument == "A")"#,
    "false",
    "true",
];

fn event() -> impl Strategy<Value = v1::Event> {
    let parts = (0..3usize, 0..3usize, 0..5i32, 0..4u32, any::<bool>());
    parts.prop_map(|(instrument, timeframe, severity, revision, other)| v1::Event {
        id: vec![1; 16].into(),
        source: ["s1", "s2"][usize::from(other)].into(),
        kind: Kind::Anomaly.into(),
        instrument: ["A", "B", "C"][instrument].into(),
        venue: ["", "XNAS"][usize::from(other)].into(),
        timeframe: ["1m", "5m", "1h"][timeframe].into(),
        severity: Severity::try_from(severity).unwrap().into(),
        revision,
        payload: Some(Payload::Anomaly(v1::Anomaly {
            z_score: Some(f64::from(revision) * 2.0),
            ..v1::Anomaly::default()
        })),
        ..v1::Event::default()
    })
}

/// A filter, or none, for a key; or the key's end.
fn steps() -> impl Strategy<Value = Vec<(u16, Option<Option<usize>>)>> {
    let filter = proptest::option::of(proptest::option::of(0..FILTERS.len()));
    vec((0..20u16, filter), 0..60)
}

/// Every key with the events it should have, as runs.
fn naive(keys: &BTreeMap<u16, Option<Filter>>, body: &[u8]) -> BTreeMap<u16, Vec<Run>> {
    let mut found = BTreeMap::new();
    for (key, filter) in keys {
        let mut runs: Vec<Run> = Vec::new();
        for (index, event) in (0u32..).zip(events(body)) {
            let event = event.unwrap();
            let envelope = glance(event).unwrap();
            if filter.as_ref().is_none_or(|filter| filter.matches(&envelope, event)) {
                match runs.last_mut() {
                    Some(run) if run.first + run.count == index => run.count += 1,
                    _ => runs.push(Run { first: index, count: 1 }),
                }
            }
        }
        if !runs.is_empty() {
            found.insert(*key, runs);
        }
    }
    found
}

fn found(matches: &Matches<u16>) -> BTreeMap<u16, Vec<Run>> {
    let each = |(keys, runs): (&[u16], &[Run])| -> Vec<_> {
        keys.iter().map(|key| (*key, runs.to_vec())).collect()
    };
    matches.iter().flat_map(each).collect()
}

proptest! {
    #[test]
    fn it_finds_what_asking_every_filter_finds(steps in steps(), bodies in vec(vec(event(), 0..20), 1..4)) {
        let filters = FILTERS.map(|text| Filter::compile(text).unwrap());
        let mut index = Index::new();
        let mut keys = BTreeMap::new();
        for (key, step) in steps {
            match step {
                None => {
                    index.remove(&key);
                    keys.remove(&key);
                }
                Some(filter) => {
                    let filter = filter.map(|number| filters[number].clone());
                    index.insert(key, filter.as_ref());
                    keys.insert(key, filter);
                }
            }
        }
        prop_assert_eq!((index.len(), index.is_empty()), (keys.len(), keys.is_empty()));
        let mut matches = Matches::new();
        for written in bodies {
            let mut body = BodyBuilder::default();
            for event in &written {
                prop_assert!(body.push(&encode(event)));
            }
            let (body, count) = body.take();
            index.match_block(&body, &mut matches);
            let found = found(&matches);
            prop_assert_eq!(matches.iter().map(|(keys, _)| keys.len()).sum::<usize>(), found.len());
            for run in found.values().flatten() {
                let mine = events(&body).skip(run.first as usize).take(run.count as usize);
                prop_assert!(mine.eq(events(&body[run.span(matches.ends())])));
            }
            prop_assert_eq!(&found, &naive(&keys, &body));
            prop_assert_eq!(matches.events(), count);
            for (at, event) in (0u32..).zip(events(&body)) {
                let event = event.unwrap();
                let mut hit = Vec::new();
                index.matches(&glance(event).unwrap(), event, |key| hit.push(key));
                hit.sort_unstable();
                let covers = |runs: &Vec<Run>| runs.iter().any(|r| (r.first..r.first + r.count).contains(&at));
                let expected: Vec<_> =
                    found.iter().filter(|(_, runs)| covers(runs)).map(|(key, _)| *key).collect();
                prop_assert_eq!(hit, expected);
            }
        }
    }
}

#[test]
fn filters_that_say_the_same_are_judged_once() {
    let mut index = Index::new();
    for (key, text) in (0..).zip(FILTERS) {
        index.insert(key, Some(&Filter::compile(text).unwrap()));
    }
    assert_eq!((index.len(), index.distinct()), (14, 13));
    for key in 0..14 {
        index.remove(&key);
    }
    assert_eq!((index.len(), index.distinct()), (0, 0));
    assert!(index.scanned.is_empty() && index.filed.iter().all(|filed| filed.is_empty()));
}

#[test]
fn a_body_that_is_none_matches_as_far_as_it_goes() {
    let mut index = Index::new();
    index.insert(1, None);
    let mut matches = Matches::new();
    index.match_block(b"\x0a\x01x\xff", &mut matches);
    assert_eq!(found(&matches), BTreeMap::from([(1, vec![Run { first: 0, count: 1 }])]));
    index.match_block(b"", &mut matches);
    assert_eq!(matches.iter().count(), 0);
}
