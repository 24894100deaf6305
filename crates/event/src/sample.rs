//! Any event that is accepted: the strategy that property tests draw from.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use crate::json::INTEGER_MAX;
use crate::time::TIME_MAX;
use crate::v1;
use crate::v1::event::Payload;

fn text() -> impl Strategy<Value = String> {
    ".{0,6}"
}

fn number() -> impl Strategy<Value = f64> {
    let odd = prop_oneof![Just(0.0), Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(5e-324)];
    prop_oneof![4 => any::<f64>().prop_filter("finite", |v| v.is_finite()), 1 => odd]
}

fn float() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |v| v.is_finite())
}

fn unit() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0, Just(0.0), Just(1.0)]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..=TIME_MAX.0, 1 => Just(0), 1 => Just(TIME_MAX.0)]
}

/// A known number or any other.
fn choice() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 0..6i32, 1 => any::<i32>()]
}

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0..=INTEGER_MAX, Just(0), Just(INTEGER_MAX)]
}

fn value() -> impl Strategy<Value = v1::Value> {
    let definition = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 8..33)];
    let parts = (of(number()), choice(), text(), of(unit()), definition);
    parts.prop_map(|(value, status, signal, confidence, definition)| {
        let silent = value.is_none() && matches!(status, 0 | 1);
        let status = if silent { 2 } else { status };
        v1::Value { value, status, signal, confidence, definition: definition.into() }
    })
}

fn indicators() -> impl Strategy<Value = Payload> {
    let values = btree_map("[a-z0-9][a-z0-9_.]{0,9}", value(), 1..4);
    let parts = (values, any::<u32>(), of(unit()), of(unit()), of(number()));
    parts.prop_map(|(values, bars_used, completeness, accuracy, computation_ms)| {
        Payload::Indicators(v1::Indicators {
            values,
            bars_used,
            completeness,
            accuracy,
            computation_ms,
        })
    })
}

fn pattern() -> impl Strategy<Value = v1::Pattern> {
    let point = (time(), number(), text());
    let point = point.prop_map(|(at, price, label)| v1::KeyPoint { at, price, label });
    let first = ("[a-z_]{1,9}", choice(), of(unit()), of(unit()), time(), time());
    let second = (vec(point, 0..3), of(number()), of(number()), any::<Option<bool>>());
    let third = (any::<Option<u32>>(), of(unit()));
    (first, second, third).prop_map(|(first, second, third)| v1::Pattern {
        r#type: first.0,
        status: first.1,
        confidence: first.2,
        completion: first.3,
        start: first.4,
        end: first.5,
        key_points: second.0,
        target: second.1,
        stop: second.2,
        volume_confirmation: second.3,
        similar_found: third.0,
        success_rate: third.1,
    })
}

fn patterns() -> impl Strategy<Value = Payload> {
    vec(pattern(), 1..3).prop_map(|patterns| Payload::Patterns(v1::Patterns { patterns }))
}

fn anomaly() -> impl Strategy<Value = Payload> {
    let numbers = (of(number()), of(number()), of(number()), of(number()), of(unit()));
    let texts = (text(), text(), text(), text(), text());
    let lists = (vec(text(), 0..3), vec(text(), 0..3), vec(text(), 0..3), any::<bool>());
    (numbers, texts, lists).prop_map(|(numbers, texts, lists)| {
        Payload::Anomaly(v1::Anomaly {
            r#type: texts.0,
            method: texts.1,
            value: numbers.0,
            expected_min: numbers.1,
            expected_max: numbers.2,
            z_score: numbers.3,
            confidence: numbers.4,
            description: texts.2,
            related_instruments: lists.0,
            causes: lists.1,
            market_condition: texts.3,
            impact: texts.4,
            actions: lists.2,
            alert_required: lists.3,
        })
    })
}

/// Chunked, so that the triangle may have any length.
fn correlation() -> impl Strategy<Value = Payload> {
    let pair = (text(), text(), number(), of(number()));
    let pair = pair.prop_map(|(a, b, value, p_value)| v1::CorrelationPair { a, b, value, p_value });
    let summary = (of(number()), of(number()), of(number()), any::<u32>());
    let summary = summary.prop_map(|(avg, max, min, high_pairs)| v1::CorrelationSummary {
        avg,
        max,
        min,
        high_pairs,
    });
    let first = ("[a-z]{1,9}", 1..4i32, text(), any::<u32>(), vec(text(), 0..4));
    let second = (vec(float(), 0..4), vec(pair, 0..3), vec(float(), 0..4), of(summary));
    let sha256 = of(vec(any::<u8>(), 32));
    let third = (any::<u32>(), 1..=u32::MAX, text(), sha256);
    (first, second, third).prop_map(|(first, second, third)| {
        Payload::Correlation(v1::Correlation {
            matrix_id: first.0,
            kind: first.1,
            method: first.2,
            window_days: first.3,
            instruments: first.4,
            triangle: second.0,
            pairs: second.1,
            p_values: second.2,
            summary: second.3,
            chunk: third.0 % third.1,
            chunks: third.1,
            dataref: third.2,
            sha256: third.3.unwrap_or_default().into(),
        })
    })
}

fn summary() -> impl Strategy<Value = Payload> {
    let numbers = || btree_map(text(), number(), 0..3);
    let maps = (numbers(), numbers(), numbers(), btree_map(text(), time(), 0..3));
    let rest = (of(number()), any::<u32>(), any::<u32>(), of(-1.0..=1.0));
    (maps, rest).prop_map(|(maps, rest)| {
        Payload::Summary(v1::Summary {
            close: rest.0,
            indicators: maps.0,
            correlations: maps.1,
            risk: maps.2,
            open_patterns: rest.1,
            open_anomalies: rest.2,
            trend_alignment: rest.3,
            as_of: maps.3,
        })
    })
}

fn interval_complete() -> impl Strategy<Value = Payload> {
    let parts = (any::<(u32, u32)>(), vec(text(), 0..3), choice());
    parts.prop_map(|((expected, published), missing, expected_from)| {
        Payload::IntervalComplete(v1::IntervalComplete {
            expected,
            published,
            missing,
            expected_from,
        })
    })
}

/// A payload and its kind.
fn payload() -> impl Strategy<Value = (i32, Payload)> {
    prop_oneof![
        indicators().prop_map(|payload| (1, payload)),
        patterns().prop_map(|payload| (2, payload)),
        anomaly().prop_map(|payload| (3, payload)),
        correlation().prop_map(|payload| (4, payload)),
        summary().prop_map(|payload| (5, payload)),
        interval_complete().prop_map(|payload| (6, payload)),
    ]
}

/// Any event that the scanner accepts.
pub(crate) fn event() -> impl Strategy<Value = v1::Event> {
    let names = (any::<[u8; 16]>(), ".{1,9}", "(1\\.(0|[1-9][0-9]{0,2}))?", "[A-Z/]{1,9}");
    let place = ("([A-Z0-9]{4})?", "[1-9][0-9]{0,2}(s|m|h|d|w|mo)", text(), text(), text());
    let times = (1..TIME_MAX.0, 1..TIME_MAX.0, 1..=TIME_MAX.0, time());
    let numbers =
        (of(integer()), 0..10u32, of(unit()), 1..5i32, any::<Option<bool>>(), 0..65_536u32);
    let lists = (vec(text(), 0..3), btree_map(text(), text(), 0..3));
    let parts = (names, place, times, numbers, lists, payload());
    parts.prop_map(|(names, place, times, numbers, lists, (kind, payload))| v1::Event {
        id: names.0.to_vec().into(),
        source: names.1,
        kind,
        schema_version: names.2,
        instrument: names.3,
        venue: place.0,
        timeframe: place.1,
        interval_start: times.0.min(times.1),
        interval_end: times.0.max(times.1) + 1,
        produced_at: times.2,
        key_seq: numbers.0,
        priority: numbers.1,
        confidence: numbers.2,
        severity: numbers.3,
        is_final: numbers.4,
        revision: numbers.5,
        region: place.2,
        traceparent: place.3,
        expires_at: times.3,
        targets: lists.0,
        labels: lists.1,
        origin_id: place.4,
        payload: Some(payload),
    })
}
