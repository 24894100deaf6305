//! Filters as their users write them: what they say of events, and why some are refused.

use tidings_event::v1::event::Payload;
use tidings_event::v1::{self, Kind, Severity};
use tidings_event::{encode, glance};

use super::Filter;

mod oracle;
mod page;
mod property;
mod refused;

/// An indicators event with a bit of everything.
fn indicators() -> v1::Event {
    let value = |value, signal: &str, status| v1::Value {
        value,
        signal: signal.into(),
        status,
        ..v1::Value::default()
    };
    let values = [
        ("rsi_14", value(Some(28.5), "bullish", 1)),
        ("macd_12_26_9.line", value(Some(-0.5), "", 0)),
        ("sma_200", value(None, "", 2)),
    ];
    v1::Event {
        id: vec![7; 16].into(),
        source: "ta".into(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".into(),
        timeframe: "5m".into(),
        interval_start: 1_700_000_000_000_000_000,
        interval_end: 1_700_000_300_000_000_000,
        produced_at: 1_700_000_301_500_000_000,
        confidence: Some(0.7),
        targets: vec!["Mobile".into()],
        labels: [("desk".to_owned(), "fx".to_owned()), ("a.b".to_owned(), String::new())].into(),
        payload: Some(Payload::Indicators(v1::Indicators {
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            completeness: Some(0.9),
            ..v1::Indicators::default()
        })),
        ..v1::Event::default()
    }
}

fn anomaly() -> v1::Event {
    v1::Event {
        kind: Kind::Anomaly.into(),
        severity: Severity::High.into(),
        venue: "XNAS".into(),
        payload: Some(Payload::Anomaly(v1::Anomaly {
            r#type: "VOLUME_SPIKE".into(),
            z_score: Some(4.2),
            causes: vec!["news".into()],
            ..v1::Anomaly::default()
        })),
        ..indicators()
    }
}

fn patterns() -> v1::Event {
    let pattern = |name: &str, confidence| v1::Pattern {
        r#type: name.into(),
        confidence: Some(confidence),
        ..v1::Pattern::default()
    };
    let patterns = vec![pattern("double_top", 0.9), pattern("head_and_shoulders", 0.4)];
    v1::Event {
        kind: Kind::Patterns.into(),
        payload: Some(Payload::Patterns(v1::Patterns { patterns })),
        ..indicators()
    }
}

fn correlation() -> v1::Event {
    let summary = v1::CorrelationSummary { avg: Some(0.3), ..v1::CorrelationSummary::default() };
    v1::Event {
        kind: Kind::Correlation.into(),
        instrument: String::new(),
        timeframe: String::new(),
        payload: Some(Payload::Correlation(v1::Correlation {
            matrix_id: "tech".into(),
            kind: v1::CorrelationKind::Full.into(),
            instruments: vec!["AAPL".into(), "MSFT".into()],
            summary: Some(summary),
            ..v1::Correlation::default()
        })),
        ..indicators()
    }
}

fn check(event: &v1::Event, filter: &str, passes: bool) {
    let compiled = Filter::compile(filter).unwrap_or_else(|refusal| panic!("{filter}: {refusal}"));
    let bytes = encode(event);
    assert_eq!(compiled.matches(&glance(&bytes).unwrap(), &bytes), passes, "{filter}");
    let canonical = Filter::compile(compiled.canonical()).unwrap();
    assert_eq!(canonical.canonical(), compiled.canonical(), "{filter}");
}

#[test]
fn events_pass_that_say_what_is_asked() {
    let event = indicators();
    for filter in [
        r#"instrument == "AAPL" && timeframe == "5m""#,
        r#"'AAPL' == instrument"#,
        r#"instrument in ["MSFT", "AAPL"]"#,
        r#"kind == "INDICATORS" && venue == "XXXX" && schema_version == "1.0""#,
        r#"values.rsi_14 < 30 && values.rsi_14.signal == "bullish""#,
        r#"values["macd_12_26_9.line"] < 0"#,
        r#"values.rsi_14.status == "OK" && values["rsi_14"].value == 28.5"#,
        r#"indicators.values.rsi_14 - values["macd_12_26_9.line"] * 2 == 29.5"#,
        r#"values.sma_200.status == "WARMING_UP""#,
        r#"confidence >= 0.6 && confidence_tier >= "medium""#,
        r#"labels.desk == "fx" && labels["a.b"] == """#,
        r#""Mobile" in targets && size(targets) == 1"#,
        r#"targets.size() == 1 && instrument.size() == 4"#,
        r#"instrument.startsWith("AA") && instrument.endsWith("L") && instrument.contains("AP")"#,
        r#"instrument.lowerAscii() == "aapl" && lowerAscii("X") == "x""#,
        r#"produced_at - interval_end < duration("2s")"#,
        r#"interval_end - interval_start == duration("5m")"#,
        r#"interval_start >= timestamp("2023-11-14T22:13:20Z")"#,
        r#"is_final && is_final == true && !(is_final == false)"#,
        r#"id == "07070707-0707-0707-0707-070707070707""#,
        r#"priority < 1 && revision == 0 && indicators.bars_used == 0"#,
        r#"indicators.completeness > 0.5 ? values.rsi_14 < 30 : values.rsi_14 < 20"#,
        r#"has(labels.desk) && "desk" in labels && has(values.rsi_14) && "rsi_14" in values"#,
        "true",
    ] {
        check(&event, filter, true);
    }
}

#[test]
fn what_is_absent_equals_nothing_and_differs_from_nothing() {
    let event = indicators();
    for filter in [
        "values.sma_200 > 0",
        "values.sma_200 <= 0",
        "values.sma_200 != 1",
        "values.none == 1",
        r#"labels.none != "x""#,
        r#"labels.none in ["x"]"#,
        r#"region.startsWith("e")"#,
        r#"severity >= "LOW""#,
        "values.rsi_14 / 0 > 1",
        "key_seq + 1 > 0",
        "anomaly.alert_required",
        "anomaly.alert_required == false",
        "has(key_seq) || has(values.sma_200) || has(region) || has(pattern.type)",
        "false",
    ] {
        check(&event, filter, false);
    }
    for filter in
        ["!(values.sma_200 > 0)", "!has(region)", "!has(key_seq)", "size(anomaly.causes) == 0"]
    {
        check(&event, filter, true);
    }
}

#[test]
fn payloads_of_every_kind_are_asked() {
    check(&anomaly(), r#"severity >= "HIGH" && anomaly.z_score > 3"#, true);
    check(&anomaly(), r#"severity > "HIGH""#, false);
    check(&anomaly(), r#"anomaly.type == "VOLUME_SPIKE" && "news" in anomaly.causes"#, true);
    check(&anomaly(), "anomaly.alert_required == false", true);
    check(&anomaly(), r#"venue == "XNAS" && kind != "INDICATORS""#, true);
    let correlation = correlation();
    check(&correlation, r#"matrix_id == "tech" && correlation_kind == "FULL""#, true);
    check(&correlation, r#"correlation.avg > 0.2 && correlation.high_pairs == 0"#, true);
    check(&correlation, r#""MSFT" in correlation.instruments && !has(instrument)"#, true);
    check(&correlation, "correlation.max > 0", false);
}

#[test]
fn patterns_are_judged_one_by_one() {
    let event = patterns();
    check(&event, r#"pattern.type == "head_and_shoulders""#, true);
    check(&event, r#"pattern.type == "double_top" && pattern.confidence > 0.8"#, true);
    check(&event, r#"pattern.type == "head_and_shoulders" && pattern.confidence > 0.8"#, false);
    check(&event, r#"!(pattern.type == "double_top")"#, true);
    check(&event, r#"instrument == "AAPL" && has(pattern.status)"#, false);
    check(&indicators(), r#"pattern.type != "double_top""#, false);
}

#[test]
fn filters_that_say_the_same_are_equal() {
    let same = |filters: &[&str], canonical: &str| {
        for filter in filters {
            let filter = Filter::compile(filter).unwrap();
            assert_eq!(filter.canonical(), canonical);
            assert_eq!(filter, Filter::compile(canonical).unwrap());
        }
    };
    same(
        &[
            r#"timeframe=="5m"&&instrument=="A""#,
            r#"(("A" == instrument)) && (timeframe == '5m' && true)"#,
            r#"instrument in ["A"] && timeframe in ["5m", "5m"] && instrument == "A""#,
        ],
        r#"instrument == "A" && timeframe == "5m""#,
    );
    same(
        &[r#"instrument == "B" || instrument == "A""#, r#"instrument in ["B", "A"] || false"#],
        r#"instrument in ["A","B"]"#,
    );
    same(&["30 > values.rsi_14", r#"values["rsi_14"].value < 3e1"#], "values.rsi_14 < 30");
    same(&["!!is_final", "is_final == true", "is_final != false"], "is_final");
    same(&["1 < 2 || is_final", "!false"], "true");
    same(
        &[r#"produced_at - interval_end > duration("1m30s")"#],
        r#"produced_at - interval_end > duration("90s")"#,
    );
    same(&["!is_final ? revision > 1 : priority > 1"], "is_final ? priority > 1 : revision > 1");
}

#[test]
fn pins_say_what_passing_events_are() {
    let pins = |filter: &str| {
        let filter = Filter::compile(filter).unwrap();
        let pins = filter.pins().iter();
        pins.map(|pin| format!("{}={}", pin.field.name(), pin.values.join("|"))).collect::<Vec<_>>()
    };
    assert_eq!(
        pins(r#"timeframe in ["1m","5m"] && instrument == "A" && values.rsi_14 < 30"#),
        ["instrument=A", "timeframe=1m|5m", "kind=INDICATORS"]
    );
    assert_eq!(pins(r#"severity >= "HIGH""#), ["severity=CRITICAL|HIGH"]);
    assert_eq!(
        pins(r#"instrument == "A" && revision > 1 || instrument == "B" && is_final"#),
        ["instrument=A|B"]
    );
    assert_eq!(pins(r#"instrument == "A" || is_final"#), [""; 0]);
    assert_eq!(pins(r#"!(instrument == "A")"#), [""; 0]);
    assert_eq!(pins("size(anomaly.causes) == 0"), [""; 0]);
    assert_eq!(pins(r#"is_final ? instrument == "A" : instrument == "B""#), ["instrument=A|B"]);
}

#[test]
fn only_the_values_of_one_field_say_all_of_a_filter() {
    let says_all = |filter: &str| Filter::compile(filter).unwrap().is_pin();
    assert!(says_all(r#"instrument == "A""#));
    assert!(says_all(r#"venue in ["XNAS", "XNYS"]"#));
    assert!(says_all(r#"severity == "HIGH""#));
    assert!(!says_all(r#"instrument == "A" && is_final"#));
    assert!(!says_all(r#"instrument == "A" || timeframe == "1m""#));
    assert!(!says_all(r#"instrument != "A""#));
    assert!(!says_all("is_final"));
    // Its pin is the kind, which does not say that the pattern is there.
    assert!(!says_all(r#"pattern.type in ["flag", "wedge"]"#));
}

#[test]
fn whoever_saves_a_filter_is_told_what_it_costs() {
    let of = |text: &str| Filter::compile(text).unwrap();
    assert!(of("confidence > 0.5").is_slow());
    assert!(of("confidence > 0.5").notes()[0].starts_with("slow: "));
    let narrow = of(r#"instrument == "A" && values.rsi_14 < 30"#);
    assert!(!narrow.is_slow() && narrow.needs_payload());
    assert_eq!(
        narrow.notes(),
        ["judged per event of the instrument it asks for: values.rsi_14 < 30"]
    );
    assert!(narrow.cost() < of(r#"labels.a == "x" && values.b > 1 && values.c > 1"#).cost());
    assert_eq!(of("instrument in []").notes(), ["no event passes"]);
    assert!(of(r#"instrument == "A""#).notes().is_empty());
    assert!(!of(r#"instrument == "A" && confidence > 0.5"#).needs_payload());
}

#[test]
fn ten_thousand_instruments_in_one_list() {
    let names = (0..10_000).map(|n| format!("\"{}\"", short(n))).collect::<Vec<_>>();
    let names = names.join(",");
    let filter = Filter::compile(&format!("instrument in [{names}]")).unwrap();
    assert_eq!(filter.pins()[0].values.len(), 10_000);
    let bytes = encode(&v1::Event { instrument: short(9_999), ..indicators() });
    assert!(filter.matches(&glance(&bytes).unwrap(), &bytes));
}

/// A number in two or three letters.
fn short(mut number: u32) -> String {
    let mut text = String::new();
    while number > 0 || text.is_empty() {
        text.push(char::from(b'A' + (number % 26) as u8));
        number /= 26;
    }
    text
}
