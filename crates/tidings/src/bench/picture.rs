//! The result as a picture: rates as bars, latencies as marks on a scale of powers of ten. The same
//! result gives the same text.

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text, Title};

use super::report::{Head, Percentiles, Report, Spread};

const WIDTH: f64 = 960.0;
/// Where the bars begin, and how long the longest is.
const LEFT: f64 = 190.0;
const SPAN: f64 = 620.0;
const TOP: f64 = 84.0;
const ROW: f64 = 34.0;
const BAR: f64 = 16.0;
/// Between two panels.
const BETWEEN: f64 = 70.0;

const INK: &str = "#1f2933";
const PALE: &str = "#9aa5b1";
const GRID: &str = "#e4e7eb";
const RATE: &str = "#2f6f9f";
const MARKS: [(&str, &str); 3] = [("p50", "#2f9e6f"), ("p99", "#d9822b"), ("p99.9", "#c0392b")];

/// The whole picture.
pub(super) fn picture(report: &Report) -> String {
    let latencies = latencies(report);
    let rates_end = TOP + report.rows.len() as f64 * ROW;
    let panels_end = rates_end + BETWEEN + latencies.len() as f64 * ROW;
    let height = if latencies.is_empty() { rates_end } else { panels_end } + 60.0;
    let mut document = Document::new()
        .set("viewBox", format!("0 0 {WIDTH:.0} {height:.0}"))
        .set("font-family", "system-ui, sans-serif")
        .set("font-size", 13)
        .add(Title::new("tidings bench"))
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "#ffffff"))
        .add(heading(&report.head, report.failures.len()))
        .add(rates(report));
    if !latencies.is_empty() {
        document = document.add(scale(&latencies, rates_end + BETWEEN));
    }
    format!("{document}\n")
}

fn heading(head: &Head, failures: usize) -> Group {
    let Head { server, server_version, rounds, seed, instruments, timeframes, event_bytes } = head;
    let how = format!(
        "tidings {server_version}, median of {rounds} rounds, seed {seed}, {instruments} instruments in \
         {timeframes} timeframes, {event_bytes} bytes an event"
    );
    let verdict = if failures == 0 { "every event once, in order" } else { "FAILED" };
    Group::new()
        .set("class", "head")
        .add(text(20.0, 28.0, &format!("tidings bench of {server}")).set("font-size", 18))
        .add(text(20.0, 50.0, &format!("{how}; {verdict}")).set("fill", PALE))
}

/// A bar for each scenario, as long as its rate, with a line over the range.
fn rates(report: &Report) -> Group {
    let all: Vec<Option<Spread>> = report.rows.iter().map(super::report::Row::rate).collect();
    let most = all.iter().flatten().map(|rate| rate.high).fold(1.0, f64::max);
    let x = |rate: f64| LEFT + SPAN * rate / most;
    let mut group = Group::new().set("class", "rates");
    group = group.add(text(20.0, TOP - 10.0, "events a second").set("font-weight", "bold"));
    for (at, (row, rate)) in report.rows.iter().zip(&all).enumerate() {
        let y = TOP + at as f64 * ROW;
        let name = label(row.scenario.name(), row.consumers);
        group = group.add(text(20.0, y + BAR, &name));
        let Some(rate) = rate else { continue };
        let bar = Rectangle::new()
            .set("x", round(LEFT))
            .set("y", round(y + 3.0))
            .set("width", round(x(rate.median) - LEFT))
            .set("height", round(BAR))
            .set("fill", RATE);
        let over = y + 3.0 + BAR / 2.0;
        group = group.add(bar).add(line((x(rate.low), over), (x(rate.high), over), INK)).add(text(
            x(rate.high) + 8.0,
            y + BAR,
            &grouped(rate.median),
        ));
    }
    group
}

fn label(scenario: &str, consumers: u32) -> String {
    match consumers {
        0 => scenario.to_owned(),
        1 => format!("{scenario}, 1 consumer"),
        many => format!("{scenario}, {many} consumers"),
    }
}

/// Name and percentiles of each line of the second panel.
fn latencies(report: &Report) -> Vec<(String, Percentiles)> {
    let mut all = Vec::new();
    for row in &report.rows {
        for (to, rounds) in row.latencies() {
            let median = |of: fn(&Percentiles) -> f64| {
                Spread::of(rounds.iter().map(of)).map_or(0.0, |spread| spread.median)
            };
            let median = Percentiles {
                p50: median(|p| p.p50),
                p99: median(|p| p.p99),
                p999: median(|p| p.p999),
                max: median(|p| p.max),
            };
            all.push((format!("{}, to {to}", row.scenario.name()), median));
        }
    }
    all
}

/// A line for each latency with a mark for each percentile, on a scale from one power of ten to another.
fn scale(latencies: &[(String, Percentiles)], top: f64) -> Group {
    let of = |p: &Percentiles| [p.p50, p.p99, p.p999].map(|millis| millis.max(0.001).log10());
    let logs: Vec<f64> = latencies.iter().flat_map(|(_, p)| of(p)).collect();
    let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
    let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let x = |log: f64| LEFT + SPAN * (log - low) / (high - low);
    let bottom = top + latencies.len() as f64 * ROW;
    let mut group = Group::new().set("class", "latencies");
    let title = "milliseconds from the intended send time";
    group = group.add(text(20.0, top - 10.0, title).set("font-weight", "bold"));
    for power in low as i32..=high as i32 {
        let at = x(f64::from(power));
        let number = 10f64.powi(power);
        group = group
            .add(line((at, top), (at, bottom), GRID))
            .add(text(at, bottom + 18.0, &number.to_string()).set("text-anchor", "middle"));
    }
    for (at, (name, percentiles)) in latencies.iter().enumerate() {
        let y = top + at as f64 * ROW + BAR / 2.0 + 3.0;
        let places = of(percentiles).map(x);
        group =
            group.add(text(20.0, y + 5.0, name)).add(line((places[0], y), (places[2], y), PALE));
        for ((name, colour), place) in MARKS.into_iter().zip(places) {
            let mark = Rectangle::new()
                .set("class", name)
                .set("x", round(place - 4.0))
                .set("y", round(y - 8.0))
                .set("width", 8)
                .set("height", 16)
                .set("fill", colour);
            group = group.add(mark);
        }
        let Percentiles { p50, p99, p999, .. } = percentiles;
        let numbers = format!("{p50:.1} / {p99:.1} / {p999:.1}");
        group = group.add(text(LEFT + SPAN + 20.0, y + 5.0, &numbers));
    }
    for (at, (name, colour)) in MARKS.into_iter().enumerate() {
        let at = LEFT + SPAN - 180.0 + at as f64 * 60.0;
        group = group.add(text(at, top - 10.0, name).set("fill", colour));
    }
    group
}

fn text(x: f64, y: f64, content: &str) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y)).set("fill", INK)
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", colour)
}

/// One digit after the point: more is nowhere to be seen.
fn round(number: f64) -> String {
    format!("{number:.1}")
}

/// A whole number in groups of three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests;
