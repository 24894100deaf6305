//! Pins: what every event that passes must be, so that an index finds the filter by it.

use std::collections::BTreeMap;

use tidings_event::Envelope;
use tidings_event::key::NO_VENUE;
use tidings_event::v1::{Kind, Severity};

use super::expression::{Constant, Name, Operand, Test};
use super::schema::{Field, Place, Type};
use super::syntax::Comparison;

/// A field that an index finds filters by, most selective first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pinned {
    /// Instrument.
    Instrument,
    /// Matrix or cluster id.
    MatrixId,
    /// Producing service.
    Source,
    /// Severity.
    Severity,
    /// Timeframe.
    Timeframe,
    /// Venue.
    Venue,
    /// Kind.
    Kind,
    /// Confidence tier.
    ConfidenceTier,
}

impl Pinned {
    /// Every field, most selective first.
    pub const ALL: [Self; 8] = [
        Self::Instrument,
        Self::MatrixId,
        Self::Source,
        Self::Severity,
        Self::Timeframe,
        Self::Venue,
        Self::Kind,
        Self::ConfidenceTier,
    ];

    /// What an event has in the field; `None` where it is absent.
    #[must_use]
    pub fn value<'a>(self, envelope: &Envelope<'a>) -> Option<&'a str> {
        let value = match self {
            Self::Instrument => envelope.instrument,
            Self::MatrixId => envelope.matrix_id,
            Self::Source => envelope.source,
            Self::Severity if envelope.severity == Severity::Unspecified => "",
            Self::Severity => envelope.severity.as_str_name(),
            Self::Timeframe => envelope.timeframe,
            Self::Venue if envelope.venue.is_empty() => NO_VENUE,
            Self::Venue => envelope.venue,
            Self::Kind => envelope.kind.as_str_name(),
            Self::ConfidenceTier => envelope.confidence_tier(),
        };
        (!value.is_empty()).then_some(value)
    }

    /// As filters write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instrument => "instrument",
            Self::MatrixId => "matrix_id",
            Self::Source => "source",
            Self::Severity => "severity",
            Self::Timeframe => "timeframe",
            Self::Venue => "venue",
            Self::Kind => "kind",
            Self::ConfidenceTier => "confidence_tier",
        }
    }

    fn of(field: Field) -> Option<Self> {
        Some(match field {
            Field::Instrument => Self::Instrument,
            Field::MatrixId => Self::MatrixId,
            Field::Source => Self::Source,
            Field::Severity => Self::Severity,
            Field::Timeframe => Self::Timeframe,
            Field::Venue => Self::Venue,
            Field::Kind => Self::Kind,
            Field::ConfidenceTier => Self::ConfidenceTier,
            _ => return None,
        })
    }
}

/// A field, and the values of which every event that passes has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which field.
    pub field: Pinned,
    /// Its values as texts, in order; enums by name. None: nothing passes.
    pub values: Vec<Box<str>>,
}

/// A filter's pins, most selective first.
pub(super) fn pins(test: &Test) -> Vec<Pin> {
    let pins = found(test).into_iter();
    pins.map(|(field, mut values)| {
        values.sort();
        values.dedup();
        Pin { field, values }
    })
    .collect()
}

/// Whether an event passes whenever it has one of the values of its only pin.
pub(super) fn say_all(test: &Test) -> bool {
    matches!(test, Test::OneOf(operand, _) if field_of(operand).is_some())
}

type Found = BTreeMap<Pinned, Vec<Box<str>>>;

fn found(test: &Test) -> Found {
    match test {
        Test::All(tests) => {
            let mut all = Found::new();
            for test in tests {
                for (field, values) in found(test) {
                    match all.get_mut(&field) {
                        Some(fewer) if fewer.len() <= values.len() => {}
                        _ => drop(all.insert(field, values)),
                    }
                }
            }
            all
        }
        Test::Any(tests) => either(tests.iter().map(found)),
        Test::Choice(parts) => {
            let [_, yes, no] = &**parts;
            either([yes, no].into_iter().map(found))
        }
        Test::Constant(_) | Test::Not(_) => Found::new(),
        Test::OneOf(operand, set) => of_set(operand, set.constants()),
        Test::Compare(how, left, right) => {
            let mut pins = of_order(*how, left, right);
            pins.extend(kinds([left, right]));
            pins
        }
        Test::Affix(_, left, right) | Test::Holds(left, right) => kinds([left, right]),
        Test::Present(name) | Test::Is(name, _) => of_kind(name).into_iter().collect(),
    }
}

/// What holds whichever of them passes: the fields that all pin.
fn either(mut branches: impl Iterator<Item = Found>) -> Found {
    let mut all = branches.next().unwrap_or_default();
    for branch in branches {
        all.retain(|field, _| branch.contains_key(field));
        for (field, values) in branch {
            if let Some(pinned) = all.get_mut(&field) {
                pinned.extend(values);
            }
        }
    }
    all
}

fn field_of(operand: &Operand) -> Option<Pinned> {
    match operand {
        Operand::Name(Name::Entry(entry)) => match entry.place {
            Place::Envelope(field) => Pinned::of(field),
            _ => None,
        },
        _ => None,
    }
}

fn of_set(operand: &Operand, constants: &[Constant]) -> Found {
    let mut pins = kinds([operand]);
    if let Some(field) = field_of(operand) {
        let value = |constant: &Constant| match constant {
            Constant::Text(text) => Some(Box::from(&**text)),
            Constant::Choice(choices, number) => Some(Box::from(choices.name(*number))),
            _ => None,
        };
        pins.insert(field, constants.iter().filter_map(value).collect());
    }
    pins
}

/// `severity >= "HIGH"` is one of the names from there on.
fn of_order(how: Comparison, left: &Operand, right: &Operand) -> Found {
    let (Some(field), Operand::Constant(Constant::Choice(choices, number))) =
        (field_of(left), right)
    else {
        return Found::new();
    };
    let passes =
        |name: &&&str| choices.number(name).is_some_and(|other| how.holds(other.cmp(number)));
    let names = choices.names.iter().filter(passes);
    Found::from([(field, names.map(|name| Box::from(*name)).collect())])
}

/// The kind that events must be of for these to be there.
fn kinds<const N: usize>(operands: [&Operand; N]) -> Found {
    operands.into_iter().flat_map(of_operand).collect()
}

fn of_operand(operand: &Operand) -> Vec<(Pinned, Vec<Box<str>>)> {
    match operand {
        Operand::Name(name) => of_kind(name).into_iter().collect(),
        Operand::Constant(_) => Vec::new(),
        Operand::Math(_, left, right) => [of_operand(left), of_operand(right)].concat(),
        // The size of a list that is absent is 0, so it says nothing of the kind.
        Operand::Size(of) => match of.of() {
            Type::Texts => Vec::new(),
            _ => of_operand(of),
        },
        Operand::Negated(of) | Operand::LowerAscii(of) => of_operand(of),
    }
}

/// The kind whose payload has this name.
fn of_kind(name: &Name) -> Option<(Pinned, Vec<Box<str>>)> {
    let kind = match name {
        Name::Label(_) => return None,
        Name::Value(..) => Kind::Indicators,
        Name::Figure(..) => Kind::Summary,
        Name::Entry(entry) => match entry.place {
            Place::Payload(kind, ..) => kind,
            Place::Pattern(..) => Kind::Patterns,
            Place::Envelope(_) | Place::Targets => return None,
        },
    };
    Some((Pinned::Kind, vec![kind.as_str_name().into()]))
}
