//! What was cut is put together as it was; every part is an event that the service takes.

use proptest::prelude::*;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{encode, scan};

use super::{Assembly, MatrixError, VALUES_MAX, split};

fn matrix(names: usize, pairs: usize) -> v1::Event {
    let instruments: Vec<String> = (0..names).map(|n| format!("INSTRUMENT-{n:05}")).collect();
    let cells = names * names.saturating_sub(1) / 2;
    let pair = |n: usize| v1::CorrelationPair {
        a: format!("A{n}"),
        b: format!("B{n}"),
        value: n as f64,
        p_value: None,
    };
    v1::Event {
        id: vec![7; 16].into(),
        source: "corr".to_owned(),
        kind: Kind::Correlation.into(),
        produced_at: 5,
        payload: Some(Payload::Correlation(v1::Correlation {
            matrix_id: "m".to_owned(),
            kind: v1::CorrelationKind::Full.into(),
            triangle: (0..cells).map(|n| n as f32).collect(),
            p_values: (0..cells).map(|n| 1.0 - n as f32).collect(),
            pairs: (0..pairs).map(pair).collect(),
            summary: Some(v1::CorrelationSummary { avg: Some(0.5), ..Default::default() }),
            instruments,
            ..v1::Correlation::default()
        })),
        ..v1::Event::default()
    }
}

/// Cuts, puts every part through the scanner and the assembly, and compares.
fn check(whole: &v1::Event, parts: usize) {
    let cut = split(whole.clone()).unwrap();
    assert_eq!(cut.len(), parts);
    let mut assembly = Assembly::new(2);
    let mut ids = std::collections::BTreeSet::new();
    let mut made = None;
    for (at, part) in cut.into_iter().enumerate() {
        assert!(made.is_none(), "whole before its last part");
        let bytes = encode(&part);
        let envelope = scan(&bytes).unwrap();
        assert!(ids.insert(envelope.id));
        let again = part.clone();
        made = assembly.push(part).unwrap();
        if at + 1 < parts {
            assert_eq!(assembly.push(again), Ok(None), "a redelivery changes nothing");
        }
    }
    let made = v1::Event { id: whole.id.clone(), ..made.unwrap() };
    assert_eq!(&made, whole);
}

#[test]
fn a_small_matrix_stays_whole() {
    check(&matrix(10, 3), 1);
}

#[test]
fn a_matrix_of_a_thousand_instruments_is_cut_and_put_together() {
    let whole = matrix(1_000, 0);
    assert!(encode(&whole).len() > 3_900_000, "with its p-values");
    check(&whole, 499_500usize.div_ceil(VALUES_MAX) + 1);
}

#[test]
fn other_events_pass_and_parts_are_not_cut_again() {
    let other = v1::Event { source: "x".to_owned(), ..v1::Event::default() };
    assert_eq!(split(other.clone()), Err(MatrixError::NoCorrelation));
    assert_eq!(Assembly::new(1).push(other.clone()), Ok(Some(other)));
    let part = split(matrix(0, 20_000)).unwrap().remove(1);
    assert_eq!(split(part), Err(MatrixError::Part { chunk: 1, chunks: 5 }));
}

#[test]
fn a_missing_part_is_told() {
    let mut parts = split(matrix(0, 20_000)).unwrap();
    let mut assembly = Assembly::new(1);
    let late = parts.remove(2);
    assert_eq!(assembly.push(parts.remove(0)), Ok(None));
    let missing = MatrixError::OutOfOrder { matrix_id: "m".to_owned(), expected: 1, found: 2 };
    assert_eq!(assembly.push(late), Err(missing));
    assert!(matches!(assembly.push(parts.remove(0)), Err(MatrixError::OutOfOrder { .. })));
}

#[test]
fn names_too_large_for_an_event_are_refused() {
    assert!(matches!(split(matrix(0, 0)), Ok(parts) if parts.len() == 1));
    let mut whole = matrix(0, 0);
    if let Some(Payload::Correlation(correlation)) = &mut whole.payload {
        correlation.instruments = vec!["I".repeat(50); 30_000];
    }
    assert!(matches!(split(whole), Err(MatrixError::TooLarge(bytes)) if bytes > 1_000_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_matrix_comes_back(names in 0usize..520, pairs in 0usize..12_000) {
        let whole = matrix(names, pairs);
        let cells = names * names.saturating_sub(1) / 2;
        let count = cells.div_ceil(VALUES_MAX).max(pairs.div_ceil(5_000)).max(1);
        let fits = count == 1 && encode(&whole).len() <= 1_000_000;
        check(&whole, if fits { 1 } else { count + 1 });
    }
}
