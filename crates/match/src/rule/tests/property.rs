//! Any filter on any event, against the answer from the decoded message.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use tidings_event::v1::event::Payload;
use tidings_event::v1::{self, Kind};
use tidings_event::{encode, glance};

use super::super::Filter;
use super::oracle::{WORDS, answer, ask, number};

fn word() -> impl Strategy<Value = String> {
    select(WORDS).prop_map(str::to_owned)
}

fn maybe_word() -> impl Strategy<Value = String> {
    prop_oneof![word(), Just(String::new())]
}

fn value() -> impl Strategy<Value = v1::Value> {
    (of(number()), maybe_word(), of(number())).prop_map(|(value, signal, confidence)| v1::Value {
        value,
        signal,
        confidence,
        status: if value.is_some() { 1 } else { 3 },
        ..v1::Value::default()
    })
}

fn indicators() -> impl Strategy<Value = Payload> {
    let name = select(&["rsi_14", "m.line", "other"][..]).prop_map(str::to_owned);
    let parts = (btree_map(name, value(), 1..4), 0..3u32, of(number()));
    parts.prop_map(|(values, bars_used, completeness)| {
        let rest = v1::Indicators::default();
        Payload::Indicators(v1::Indicators { values, bars_used, completeness, ..rest })
    })
}

fn patterns() -> impl Strategy<Value = Payload> {
    let pattern = (word(), of(number()), of(0..3u32)).prop_map(|(name, confidence, similar)| {
        let rest = v1::Pattern::default();
        v1::Pattern { r#type: name, confidence, similar_found: similar, ..rest }
    });
    vec(pattern, 1..4).prop_map(|patterns| Payload::Patterns(v1::Patterns { patterns }))
}

fn anomaly() -> impl Strategy<Value = Payload> {
    let parts = (maybe_word(), of(number()), of(number()), vec(word(), 0..3));
    parts.prop_map(|(name, value, z_score, causes)| {
        let rest = v1::Anomaly::default();
        Payload::Anomaly(v1::Anomaly { r#type: name, value, z_score, causes, ..rest })
    })
}

fn correlation() -> impl Strategy<Value = Payload> {
    let summary = (of(number()), 0..3u32).prop_map(|(avg, high_pairs)| v1::CorrelationSummary {
        avg,
        high_pairs,
        ..v1::CorrelationSummary::default()
    });
    let parts = (word(), 0..3u32, vec(word(), 0..3), of(summary));
    parts.prop_map(|(matrix_id, window_days, instruments, summary)| {
        let rest = v1::Correlation::default();
        Payload::Correlation(v1::Correlation {
            matrix_id,
            window_days,
            instruments,
            summary,
            ..rest
        })
    })
}

fn summary() -> impl Strategy<Value = Payload> {
    let map = || {
        let name = select(&["rsi_14", "var", "other"][..]).prop_map(str::to_owned);
        btree_map(name, prop_oneof![number(), Just(0.0)], 0..3)
    };
    let parts = (of(number()), map(), map(), 0..3u32);
    parts.prop_map(|(close, indicators, risk, open_patterns)| {
        let rest = v1::Summary::default();
        Payload::Summary(v1::Summary { close, indicators, risk, open_patterns, ..rest })
    })
}

fn event() -> impl Strategy<Value = v1::Event> {
    let payload = prop_oneof![indicators(), patterns(), anomaly(), correlation(), summary()];
    let label = select(&["desk", "a b", "other"][..]).prop_map(str::to_owned);
    let texts = (maybe_word(), maybe_word(), maybe_word(), word(), maybe_word());
    let numbers = (of(number()), 0..3u32, 0..3u32, of(0..3u64), 0..5i32, of(any::<bool>()));
    let times = (select(&[0, 1_000_000_000, 2_000_000_000u64][..]), 0..4_000_000_000u64);
    let lists = (vec(word(), 0..3), btree_map(label, maybe_word(), 0..3));
    (payload, texts, numbers, times, lists).prop_map(|(payload, texts, numbers, times, lists)| {
        let kind = match payload {
            Payload::Indicators(_) => Kind::Indicators,
            Payload::Patterns(_) => Kind::Patterns,
            Payload::Anomaly(_) => Kind::Anomaly,
            Payload::Correlation(_) => Kind::Correlation,
            _ => Kind::Summary,
        };
        v1::Event {
            id: vec![1; 16].into(),
            kind: kind.into(),
            instrument: texts.0,
            venue: texts.1,
            timeframe: texts.2,
            source: texts.3,
            region: texts.4,
            confidence: numbers.0,
            priority: numbers.1,
            revision: numbers.2,
            key_seq: numbers.3,
            severity: numbers.4,
            is_final: numbers.5,
            interval_end: times.0,
            produced_at: times.1,
            targets: lists.0,
            labels: lists.1,
            payload: Some(payload),
            ..v1::Event::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_filter_says_what_the_decoded_message_says(ask in ask(), events in vec(event(), 1..4)) {
        let text = ask.text();
        let filter = match Filter::compile(&text) {
            Ok(filter) => filter,
            Err(refusal) => return Err(TestCaseError::fail(format!("{text}: {refusal}"))),
        };
        let again = Filter::compile(filter.canonical()).unwrap();
        prop_assert_eq!(again.canonical(), filter.canonical());
        prop_assert_eq!(again.pins(), filter.pins());
        for event in events {
            let bytes = encode(&event);
            let envelope = glance(&bytes).unwrap();
            let expected = answer(&ask, &event);
            prop_assert_eq!(filter.matches(&envelope, &bytes), expected, "{}", text);
            prop_assert_eq!(again.matches(&envelope, &bytes), expected, "{}", again.canonical());
            for pin in filter.pins() {
                let has = pin.field.value(&envelope);
                let pinned = has.is_some_and(|has| pin.values.iter().any(|value| **value == *has));
                prop_assert!(pinned || !expected, "{} is pinned to {:?}", text, pin);
            }
        }
    }

    #[test]
    fn any_text_compiles_or_is_refused_at_a_place_in_it(text in hostile()) {
        match Filter::compile(&text) {
            Ok(filter) => prop_assert_eq!(&Filter::compile(filter.canonical()).unwrap(), &filter),
            Err(refusal) => prop_assert!(refusal.offset.unwrap() <= text.len() as u64),
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(ask in ask(), bytes in vec(any::<u8>(), 0..80)) {
        let filter = Filter::compile(&ask.text()).unwrap();
        if let Some(envelope) = glance(&bytes) {
            let _passes = filter.matches(&envelope, &bytes);
        }
        let event = encode(&v1::Event { id: vec![1; 16].into(), kind: 1, ..v1::Event::default() });
        let _passes = filter.matches(&glance(&event).unwrap(), &bytes);
    }
}

/// Texts out of the language's own tokens, and any others.
fn hostile() -> impl Strategy<Value = String> {
    let token = select(
        &[
            "instrument",
            "values",
            ".",
            "rsi_14",
            "[",
            "]",
            "(",
            ")",
            "\"A\"",
            "1",
            "&&",
            "||",
            "!",
            "-",
            "==",
            "<",
            " in ",
            ",",
            "?",
            ":",
            "+",
            "*",
            "has",
            "size",
            "kind",
            "labels",
            "'",
            "\\",
            "é",
            "timestamp",
            "duration",
            "\"5m\"",
            "true",
            "severity",
            "\"HIGH\"",
            "pattern",
            "confidence",
        ][..],
    );
    prop_oneof![3 => vec(token, 0..16).prop_map(|tokens| tokens.concat()), 1 => any::<String>()]
}

#[test]
fn deep_and_long_texts_are_refused_or_flat() {
    let many = |part: &str| part.repeat(20_000);
    for text in [
        many("("),
        many("!"),
        many("-"),
        many("["),
        format!("a{}", many(".b")),
        format!("1{}", many("+1")),
        format!("a{}", many("[1]")),
        many("a?"),
        many("a?b:"),
        many("size("),
        format!("1{}", many("<1")),
        format!("true{}", many(" in")),
        many("\""),
        format!("confidence > 0{}", many(" ")),
        format!("{}true", many("\n")),
    ] {
        let refusal = Filter::compile(&text);
        let is_blank = text.contains("  ") || text.contains("\n\n");
        assert_eq!(refusal.is_ok(), is_blank, "{}", &text[..20]);
    }
    let flat = (0..2_000).map(|n| format!("priority == {n}")).collect::<Vec<_>>().join(" || ");
    assert_eq!(Filter::compile(&flat).unwrap().cost(), 11);
    let costly = (0..1_000).map(|n| format!("values.v{n} > {n}")).collect::<Vec<_>>().join(" && ");
    assert!(Filter::compile(&costly).unwrap_err().detail.contains("comparisons"));
}
