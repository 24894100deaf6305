//! Judges an event. A comparison with something absent is false.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::expression::{Affix, Constant, Operand, Set, Test};
use super::schema::Type;
use super::subject::{Subject, Value};
use super::syntax::Math;

/// Whether the event passes.
pub(super) fn holds(test: &Test, subject: &Subject<'_>) -> bool {
    match test {
        Test::Constant(value) => *value,
        Test::Not(of) => !holds(of, subject),
        Test::All(tests) => tests.iter().all(|test| holds(test, subject)),
        Test::Any(tests) => tests.iter().any(|test| holds(test, subject)),
        Test::Choice(parts) => {
            let [condition, yes, no] = &**parts;
            holds(if holds(condition, subject) { yes } else { no }, subject)
        }
        Test::Compare(how, left, right) => {
            let order = value(left, subject).zip(value(right, subject));
            let order = order.and_then(|(left, right)| order_of(&left, &right));
            order.is_some_and(|order| how.holds(order))
        }
        Test::OneOf(operand, set) => value(operand, subject).is_some_and(|v| one_of(&v, set)),
        Test::Holds(wanted, list) => match (text(wanted, subject), list) {
            (Some(wanted), Operand::Name(list)) => subject.texts(list).any(|one| one == wanted),
            _ => false,
        },
        Test::Affix(affix, within, sought) => {
            let both = text(within, subject).zip(text(sought, subject));
            both.is_some_and(|(within, sought)| affix.holds(&within, &sought))
        }
        Test::Present(name) => match name.of() {
            Type::Texts => subject.texts(name).next().is_some(),
            _ => subject.value(name).is_some(),
        },
        Test::Is(name, wanted) => subject.value(name) == Some(Value::Bool(*wanted)),
    }
}

impl Affix {
    /// Whether the text has it.
    pub(super) fn holds(self, within: &str, sought: &str) -> bool {
        match self {
            Self::Starts => within.starts_with(sought),
            Self::Ends => within.ends_with(sought),
            Self::Contains => within.contains(sought),
        }
    }
}

/// The operand's value; `None` where something in it is absent, or a division has no result.
fn value<'a>(operand: &'a Operand, subject: &Subject<'a>) -> Option<Value<'a>> {
    match operand {
        Operand::Name(name) => subject.value(name),
        Operand::Constant(constant) => Some(of_constant(constant)),
        Operand::Math(how, left, right) => {
            math(*how, value(left, subject)?, value(right, subject)?)
        }
        Operand::Negated(of) => match value(of, subject)? {
            Value::Number(number) => Some(Value::Number(-number)),
            Value::Duration(nanos) => Some(Value::Duration(-nanos)),
            _ => None,
        },
        Operand::Size(of) => match &**of {
            Operand::Name(name) if name.of() == Type::Texts => {
                Some(Value::Number(subject.texts(name).count() as f64))
            }
            of => Some(Value::Number(text(of, subject)?.chars().count() as f64)),
        },
        Operand::LowerAscii(of) => Some(Value::Text(match text(of, subject)? {
            text if text.bytes().any(|b| b.is_ascii_uppercase()) => {
                Cow::Owned(text.to_ascii_lowercase())
            }
            text => text,
        })),
    }
}

fn text<'a>(operand: &'a Operand, subject: &Subject<'a>) -> Option<Cow<'a, str>> {
    match value(operand, subject)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn of_constant(constant: &Constant) -> Value<'_> {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Number(number) => Value::Number(*number),
        Constant::Text(text) => Value::Text(Cow::Borrowed(text)),
        Constant::Time(time) => Value::Time(*time),
        Constant::Duration(nanos) => Value::Duration(*nanos),
        Constant::Id(id) => Value::Id(*id),
        Constant::Choice(_, number) => Value::Choice(*number),
    }
}

fn order_of(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) | (Value::Duration(a), Value::Duration(b)) => {
            Some(a.cmp(b))
        }
        (Value::Choice(a), Value::Choice(b)) => Some(a.cmp(b)),
        (Value::Id(a), Value::Id(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn one_of(value: &Value<'_>, set: &Set) -> bool {
    match value {
        Value::Text(text) => set.has_text(text),
        // No constant is after a number that is none.
        value => {
            set.has(|constant| order_of(&of_constant(constant), value).unwrap_or(Ordering::Less))
        }
    }
}

fn math<'a>(how: Math, left: Value<'a>, right: Value<'a>) -> Option<Value<'a>> {
    use Value::{Duration, Number, Time};
    match (how, left, right) {
        (_, Number(a), Number(b)) => {
            let result = how.of_numbers(a, b);
            result.is_finite().then_some(Number(result))
        }
        (Math::Minus, Time(a), Time(b)) => Some(Duration(a.saturating_sub(b))),
        (Math::Minus, Time(a), Duration(b)) => Some(Time(a.saturating_sub(b))),
        (Math::Minus, Duration(a), Duration(b)) => Some(Duration(a.saturating_sub(b))),
        (_, Duration(a), Duration(b)) => Some(Duration(a.saturating_add(b))),
        (_, Time(a), Duration(b)) | (_, Duration(b), Time(a)) => Some(Time(a.saturating_add(b))),
        _ => None,
    }
}
