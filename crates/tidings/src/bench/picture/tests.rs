//! The picture has a bar for every scenario and a mark for every percentile, where they belong.

use svg::node::element::tag::Type;
use svg::parser::Event;

use super::super::report::tests::report;
use super::*;

/// Attribute `name` of each rectangle that `is`.
fn of_rectangles(picture: &str, is: (&str, &str), name: &str) -> Vec<f64> {
    let read = svg::read(picture).unwrap();
    let rectangles = read.filter_map(|event| match event {
        Event::Tag("rect", Type::Empty, attributes) => Some(attributes),
        _ => None,
    });
    let chosen = rectangles.filter(|rectangle| rectangle.get(is.0).is_some_and(|v| **v == *is.1));
    chosen.map(|rectangle| rectangle[name].parse().unwrap()).collect()
}

fn texts(picture: &str) -> Vec<String> {
    let read = svg::read(picture).unwrap();
    let texts = read.filter_map(|event| match event {
        Event::Text(text) => Some(text.to_owned()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn the_same_result_gives_the_same_text() {
    let first = picture(&report());
    assert_eq!(first, picture(&report()));
    assert!(first.starts_with("<svg ") && first.ends_with("</svg>\n"), "{first}");
    assert!(svg::read(&first).unwrap().all(|event| !matches!(event, Event::Error(_))));
}

#[test]
fn bars_are_as_long_as_their_rates() {
    let widths = of_rectangles(&picture(&report()), ("fill", RATE), "width");
    // 100,000 and 1,000 events a second; the longest range ends at 200,000.
    assert_eq!(widths, [310.0, 3.1]);
}

#[test]
fn marks_lie_in_their_order_and_numbers_are_told() {
    let picture = picture(&report());
    let at = |name| of_rectangles(&picture, ("class", name), "x");
    let [p50, p99, p999] = ["p50", "p99", "p99.9"].map(at);
    assert_eq!([p50.len(), p99.len(), p999.len()], [2, 2, 2]);
    assert!(p50.iter().zip(&p99).all(|(p50, p99)| p50 < p99), "{picture}");
    assert!(p99.iter().zip(&p999).all(|(p99, p999)| p99 <= p999), "{picture}");
    let texts = texts(&picture);
    for told in ["100,000", "latency, to ack", "latency, to receipt", "2.0 / 6.0 / 6.0", "100"] {
        assert!(texts.iter().any(|text| text == told), "no `{told}` in {texts:?}");
    }
}

#[test]
fn a_result_without_latencies_has_one_panel_and_a_bad_one_says_so() {
    let mut rates_only = report();
    rates_only.rows.truncate(1);
    rates_only.failures.push("ingest, round 1, consumer 1: 1 lost".to_owned());
    rates_only.head.server = "http://[::1]:1/?a<b&c".to_owned();
    let picture = picture(&rates_only);
    assert!(!picture.contains("class=\"latencies\"") && picture.contains("FAILED"), "{picture}");
    assert!(picture.contains("/?a&lt;b&amp;c"), "{picture}");
}

#[test]
fn numbers_are_grouped_by_three_digits() {
    assert_eq!([0.0, 999.4, 1_000.0, 1_234_567.0].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}
