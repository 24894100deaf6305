//! Questions that tests ask: each has its text in the language, and its answer from the decoded
//! message, by code that shares nothing with the compiler.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tidings_event::v1::event::Payload;
use tidings_event::v1::{
    Anomaly, Correlation, Event, Indicators, Pattern, Severity, Summary, Value,
};

/// The event, and the pattern of it that is judged.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub event: &'a Event,
    pub pattern: Option<&'a Pattern>,
}

impl Case<'_> {
    fn indicators(&self) -> Option<&Indicators> {
        match &self.event.payload {
            Some(Payload::Indicators(it)) => Some(it),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.indicators()?.values.get(name)
    }

    fn anomaly(&self) -> Option<&Anomaly> {
        match &self.event.payload {
            Some(Payload::Anomaly(it)) => Some(it),
            _ => None,
        }
    }

    fn correlation(&self) -> Option<&Correlation> {
        match &self.event.payload {
            Some(Payload::Correlation(it)) => Some(it),
            _ => None,
        }
    }

    fn summary(&self) -> Option<&Summary> {
        match &self.event.payload {
            Some(Payload::Summary(it)) => Some(it),
            _ => None,
        }
    }
}

/// The answer, patterns judged one by one where the question is about them.
pub(super) fn answer(ask: &Ask, event: &Event) -> bool {
    match &event.payload {
        Some(Payload::Patterns(it)) if ask.text().contains("pattern.") => {
            it.patterns.iter().any(|pattern| ask.holds(Case { event, pattern: Some(pattern) }))
        }
        _ => ask.holds(Case { event, pattern: None }),
    }
}

#[derive(Clone, Debug)]
pub(super) enum Num {
    Name(&'static str),
    Constant(f64),
    Size(Txt),
    Negated(Box<Num>),
    Math(char, Box<Num>, Box<Num>),
}

const NUMBERS: &[&str] = &[
    "confidence",
    "priority",
    "revision",
    "key_seq",
    "values.rsi_14",
    "values[\"m.line\"]",
    "values.rsi_14.confidence",
    "indicators.bars_used",
    "indicators.completeness",
    "anomaly.z_score",
    "anomaly.value",
    "pattern.confidence",
    "pattern.similar_found",
    "correlation.avg",
    "correlation.high_pairs",
    "correlation.window_days",
    "summary.close",
    "summary.open_patterns",
    "summary.indicators[\"rsi_14\"]",
    "summary.risk.var",
];

impl Num {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => (*name).to_owned(),
            Self::Constant(value) => format!("{value:e}"),
            Self::Size(of) => format!("size({})", of.text()),
            Self::Negated(of) => format!("-({})", of.text()),
            Self::Math(how, a, b) => format!("({}) {how} ({})", a.text(), b.text()),
        }
    }

    fn of(&self, case: Case<'_>) -> Option<f64> {
        match self {
            Self::Name(name) => named(name, case),
            Self::Constant(value) => Some(*value),
            Self::Size(of) => Some(of.of(case)?.chars().count() as f64),
            Self::Negated(of) => Some(-of.of(case)?),
            Self::Math(how, a, b) => {
                let (a, b) = (a.of(case)?, b.of(case)?);
                let result = match how {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                };
                result.is_finite().then_some(result)
            }
        }
    }
}

fn named(name: &str, case: Case<'_>) -> Option<f64> {
    let whole = |number: u32| f64::from(number);
    match name {
        "confidence" => case.event.confidence,
        "priority" => Some(whole(case.event.priority)),
        "revision" => Some(whole(case.event.revision)),
        "key_seq" => case.event.key_seq.map(|count| count as f64),
        "values.rsi_14" => case.value("rsi_14")?.value,
        "values[\"m.line\"]" => case.value("m.line")?.value,
        "values.rsi_14.confidence" => case.value("rsi_14")?.confidence,
        "indicators.bars_used" => Some(whole(case.indicators()?.bars_used)),
        "indicators.completeness" => case.indicators()?.completeness,
        "anomaly.z_score" => case.anomaly()?.z_score,
        "anomaly.value" => case.anomaly()?.value,
        "pattern.confidence" => case.pattern?.confidence,
        "pattern.similar_found" => case.pattern?.similar_found.map(whole),
        "correlation.avg" => case.correlation()?.summary.as_ref()?.avg,
        "correlation.high_pairs" => Some(whole(case.correlation()?.summary.as_ref()?.high_pairs)),
        "correlation.window_days" => Some(whole(case.correlation()?.window_days)),
        "summary.close" => case.summary()?.close,
        "summary.open_patterns" => Some(whole(case.summary()?.open_patterns)),
        "summary.indicators[\"rsi_14\"]" => case.summary()?.indicators.get("rsi_14").copied(),
        "summary.risk.var" => case.summary()?.risk.get("var").copied(),
        other => panic!("no number is called {other}"),
    }
}

#[derive(Clone, Debug)]
pub(super) enum Txt {
    Name(&'static str),
    Constant(&'static str),
    Lower(Box<Txt>),
}

const TEXTS: &[&str] = &[
    "instrument",
    "venue",
    "timeframe",
    "source",
    "region",
    "schema_version",
    "labels.desk",
    "labels[\"a b\"]",
    "values.rsi_14.signal",
    "anomaly.type",
    "pattern.type",
    "matrix_id",
];
/// Texts that stand in events and in filters.
pub(super) const WORDS: &[&str] = &["A", "a", "Ab", "é\"\\", "5m", "XXXX", "1.0"];

impl Txt {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => (*name).to_owned(),
            Self::Constant(text) => format!("{text:?}"),
            Self::Lower(of) => format!("lowerAscii({})", of.text()),
        }
    }

    fn of(&self, case: Case<'_>) -> Option<String> {
        match self {
            Self::Name(name) => worded(name, case),
            Self::Constant(text) => Some((*text).to_owned()),
            Self::Lower(of) => Some(of.of(case)?.to_ascii_lowercase()),
        }
    }
}

fn worded(name: &str, case: Case<'_>) -> Option<String> {
    let event = case.event;
    let or = |text: &str, otherwise: &str| {
        Some(if text.is_empty() { otherwise } else { text }.to_owned())
    };
    let text = match name {
        "instrument" => &event.instrument,
        "venue" => return or(&event.venue, "XXXX"),
        "timeframe" => &event.timeframe,
        "source" => &event.source,
        "region" => &event.region,
        "schema_version" => return or(&event.schema_version, "1.0"),
        "labels.desk" => return event.labels.get("desk").cloned(),
        "labels[\"a b\"]" => return event.labels.get("a b").cloned(),
        "values.rsi_14.signal" => &case.value("rsi_14")?.signal,
        "anomaly.type" => &case.anomaly()?.r#type,
        "pattern.type" => &case.pattern?.r#type,
        "matrix_id" => &case.correlation()?.matrix_id,
        other => panic!("no text is called {other}"),
    };
    (!text.is_empty()).then(|| text.clone())
}

#[derive(Clone, Debug)]
pub(super) enum Ask {
    Says(bool),
    Not(Box<Ask>),
    All(Vec<Ask>),
    Any(Vec<Ask>),
    Choice(Box<[Ask; 3]>),
    Numbers(&'static str, Num, Num),
    Texts(&'static str, Txt, Txt),
    NumberIn(Num, Vec<f64>),
    TextIn(Txt, Vec<&'static str>),
    Affix(&'static str, Txt, Txt),
    Listed(&'static str, &'static str),
    Severity(&'static str, usize),
    Final(&'static str, bool),
    HasNumber(&'static str),
    HasText(&'static str),
    Late(&'static str, i64),
}

const SEVERITIES: [&str; 4] = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];

impl Ask {
    pub(super) fn text(&self) -> String {
        let joined = |asks: &[Self], how: &str| {
            asks.iter().map(|ask| format!("({})", ask.text())).collect::<Vec<_>>().join(how)
        };
        match self {
            Self::Says(value) => value.to_string(),
            Self::Not(of) => format!("!({})", of.text()),
            Self::All(asks) => joined(asks, "&&"),
            Self::Any(asks) => joined(asks, " || "),
            Self::Choice(asks) => {
                let [a, b, c] = &**asks;
                format!("({}) ? ({}) : {}", a.text(), b.text(), c.text())
            }
            Self::Numbers(how, a, b) => format!("{} {how} {}", a.text(), b.text()),
            Self::Texts(how, a, b) => format!("{} {how} {}", a.text(), b.text()),
            Self::NumberIn(of, list) => format!("{} in {list:?}", of.text()),
            Self::TextIn(of, list) => format!("{} in {list:?}", of.text()),
            Self::Affix(how, a, b) => format!("({}).{how}({})", a.text(), b.text()),
            Self::Listed(word, list) => format!("{word:?} in {list}"),
            Self::Severity(how, name) => format!("severity {how} {:?}", SEVERITIES[*name]),
            Self::Final(how, value) => format!("is_final {how} {value}"),
            Self::HasNumber(name) | Self::HasText(name) => format!("has({name})"),
            Self::Late(how, ms) => {
                format!("produced_at - interval_end {how} duration(\"{ms}ms\")")
            }
        }
    }

    fn holds(&self, case: Case<'_>) -> bool {
        match self {
            Self::Says(value) => *value,
            Self::Not(of) => !of.holds(case),
            Self::All(asks) => asks.iter().all(|ask| ask.holds(case)),
            Self::Any(asks) => asks.iter().any(|ask| ask.holds(case)),
            Self::Choice(asks) => {
                let [a, b, c] = &**asks;
                if a.holds(case) { b.holds(case) } else { c.holds(case) }
            }
            Self::Numbers(how, a, b) => both(how, a.of(case), b.of(case)),
            Self::Texts(how, a, b) => both(how, a.of(case), b.of(case)),
            Self::NumberIn(of, list) => of.of(case).is_some_and(|value| list.contains(&value)),
            Self::TextIn(of, list) => of.of(case).is_some_and(|text| list.contains(&&*text)),
            Self::Affix(how, a, b) => a.of(case).zip(b.of(case)).is_some_and(|(a, b)| match *how {
                "startsWith" => a.starts_with(&b),
                "endsWith" => a.ends_with(&b),
                _ => a.contains(&b),
            }),
            Self::Listed(word, list) => {
                let none = Vec::new();
                let texts = match *list {
                    "targets" => &case.event.targets,
                    "anomaly.causes" => case.anomaly().map_or(&none, |it| &it.causes),
                    _ => case.correlation().map_or(&none, |it| &it.instruments),
                };
                texts.iter().any(|text| text == word)
            }
            Self::Severity(how, name) => {
                let severity = case.event.severity;
                let there = severity != i32::from(Severity::Unspecified);
                both(how, there.then_some(severity), Some(*name as i32 + 1))
            }
            Self::Final(how, value) => {
                both(how, Some(case.event.is_final.unwrap_or(true)), Some(*value))
            }
            Self::HasNumber(name) => named(name, case).is_some(),
            Self::HasText(name) => worded(name, case).is_some(),
            Self::Late(how, ms) => {
                let time = |nanos: u64| (nanos != 0).then_some(i128::from(nanos));
                let lag = time(case.event.produced_at).zip(time(case.event.interval_end));
                both(how, lag.map(|(at, end)| at - end), Some(i128::from(*ms) * 1_000_000))
            }
        }
    }
}

fn both<T: PartialOrd>(how: &str, a: Option<T>, b: Option<T>) -> bool {
    a.zip(b).is_some_and(|(a, b)| match how {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    })
}

fn comparison() -> impl Strategy<Value = &'static str> {
    select(&["==", "!=", "<", "<=", ">", ">="][..])
}

/// Numbers that events and filters share, so that equality happens.
pub(super) fn number() -> impl Strategy<Value = f64> {
    select(&[1.0, 2.0, 0.5, 30.0, -1.5, 1e16, 12_345_678_901_234_568.0, 2.5e-7][..])
}

fn num() -> impl Strategy<Value = Num> {
    let leaf = prop_oneof![
        4 => select(NUMBERS).prop_map(Num::Name),
        2 => number().prop_map(Num::Constant),
        1 => txt().prop_map(Num::Size),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let by_name = select(NUMBERS).prop_map(Num::Name);
        prop_oneof![
            inner.clone().prop_map(|of| Num::Negated(of.into())),
            (select(&['+', '-', '*'][..]), inner.clone(), inner.clone())
                .prop_map(|(how, a, b)| Num::Math(how, a.into(), b.into())),
            (inner, by_name).prop_map(|(a, b)| Num::Math('/', a.into(), b.into())),
        ]
    })
}

fn txt() -> impl Strategy<Value = Txt> {
    let leaf = prop_oneof![3 => select(TEXTS).prop_map(Txt::Name), 1 => select(WORDS).prop_map(Txt::Constant)];
    leaf.prop_recursive(1, 2, 1, |inner| inner.prop_map(|of| Txt::Lower(of.into())))
}

/// Any question.
pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let same = select(&["==", "!="][..]);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Ask::Says),
        6 => (comparison(), num(), num()).prop_map(|(how, a, b)| Ask::Numbers(how, a, b)),
        4 => (comparison(), txt(), txt()).prop_map(|(how, a, b)| Ask::Texts(how, a, b)),
        2 => (num(), vec(number(), 0..4)).prop_map(|(of, list)| Ask::NumberIn(of, list)),
        3 => (txt(), vec(select(WORDS), 0..4)).prop_map(|(of, list)| Ask::TextIn(of, list)),
        2 => (select(&["startsWith", "endsWith", "contains"][..]), txt(), txt())
            .prop_map(|(how, a, b)| Ask::Affix(how, a, b)),
        1 => (select(WORDS), select(&["targets", "anomaly.causes", "correlation.instruments"][..]))
            .prop_map(|(word, list)| Ask::Listed(word, list)),
        1 => (comparison(), 0..4usize).prop_map(|(how, name)| Ask::Severity(how, name)),
        1 => (same, any::<bool>()).prop_map(|(how, value)| Ask::Final(how, value)),
        1 => select(NUMBERS).prop_map(Ask::HasNumber),
        1 => select(TEXTS).prop_map(Ask::HasText),
        1 => (comparison(), -2_000..4_000i64).prop_map(|(how, ms)| Ask::Late(how, ms)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|of| Ask::Not(of.into())),
            vec(inner.clone(), 2..4).prop_map(Ask::All),
            vec(inner, 2..4).prop_map(Ask::Any),
            three.prop_map(|(a, b, c)| Ask::Choice([a, b, c].into())),
        ]
    })
}
