//! Constants: making them what their neighbour is, and computing with them while compiling.

use tidings_event::time::TIME_MAX;
use tidings_event::{Refusal, parse_event_id};

use super::expression::{Constant, Name, Operand, Test};
use super::refuse::mistyped;
use super::schema::Type;
use super::syntax::{Comparison, Math};

impl Operand {
    /// What it is.
    pub(super) fn of(&self) -> Type {
        match self {
            Self::Name(name) => name.of(),
            Self::Constant(constant) => constant.of(),
            Self::Negated(of) => of.of(),
            Self::Size(_) => Type::Number,
            Self::LowerAscii(_) => Type::Text,
            Self::Math(how, left, right) => match (how, left.of(), right.of()) {
                (Math::Minus, Type::Time, Type::Time) => Type::Duration,
                (_, Type::Time, _) | (_, _, Type::Time) => Type::Time,
                (_, of, _) => of,
            },
        }
    }
}

/// A text becomes an enum's name or an id where its neighbour is one.
pub(super) fn coerce(at: usize, operand: Operand, beside: &Operand) -> Result<Operand, Refusal> {
    let Operand::Constant(Constant::Text(text)) = &operand else { return Ok(operand) };
    match beside.of() {
        Type::Choice(choices) => match choices.number(text) {
            Some(number) => Ok(Operand::Constant(Constant::Choice(choices, number))),
            None => Err(mistyped(at, format!("`{text}` is not {}", choices.what))
                .with_hint(format!("one of {}", choices.names.join(", ")))),
        },
        Type::Id => match parse_event_id(text) {
            Some(id) => Ok(Operand::Constant(Constant::Id(id))),
            None => Err(mistyped(at, "an event id is a UUID with hyphens")),
        },
        Type::Text if text.is_empty() && is_absent_when_empty(beside) => {
            Err(mistyped(at, "an empty text is absent, and what is absent equals nothing")
                .with_hint("write has(…) or !has(…)"))
        }
        _ => Ok(operand),
    }
}

/// Whether the name never has an empty text.
fn is_absent_when_empty(operand: &Operand) -> bool {
    match operand {
        Operand::Name(Name::Label(_)) => false,
        Operand::Name(_) => true,
        _ => false,
    }
}

/// What two constants say, known now.
pub(super) fn fold_compare(how: Comparison, left: &Constant, right: &Constant) -> Test {
    Test::Constant(how.holds(left.order(right)))
}

/// A number without its second zero.
fn number(value: f64) -> Option<Operand> {
    value.is_finite().then_some(Operand::Constant(Constant::Number(value + 0.0)))
}

/// The negation, computed where it can be.
pub(super) fn fold_negated(operand: Operand) -> Operand {
    match operand {
        Operand::Constant(Constant::Number(value)) => {
            Operand::Constant(Constant::Number(-value + 0.0))
        }
        Operand::Constant(Constant::Duration(value)) => {
            Operand::Constant(Constant::Duration(-value))
        }
        Operand::Negated(of) => *of,
        other => Operand::Negated(Box::new(other)),
    }
}

/// The arithmetic, computed where it can be; `None` where constants have no finite result.
pub(super) fn fold_math(how: Math, left: Operand, right: Operand) -> Option<Operand> {
    use Constant::{Duration, Number, Time};
    let (Operand::Constant(a), Operand::Constant(b)) = (&left, &right) else {
        return Some(Operand::Math(how, Box::new(left), Box::new(right)));
    };
    let constant = match (how, a, b) {
        (_, Number(a), Number(b)) => return number(how.of_numbers(*a, *b)),
        (Math::Minus, Time(a), Time(b)) => Duration(a.checked_sub(*b)?),
        (Math::Minus, Time(a), Duration(b)) => Time(a.checked_sub(*b)?),
        (Math::Minus, Duration(a), Duration(b)) => Duration(a.checked_sub(*b)?),
        (_, Duration(a), Duration(b)) => Duration(a.checked_add(*b)?),
        (_, Time(a), Duration(b)) | (_, Duration(b), Time(a)) => Time(a.checked_add(*b)?),
        _ => return None,
    };
    // A time that has no text form could not be written down again.
    match constant {
        Time(time) if !(0..=i128::from(TIME_MAX.0)).contains(&time) => None,
        constant => Some(Operand::Constant(constant)),
    }
}

impl Math {
    /// Of two numbers; not finite where there is no result.
    pub(super) fn of_numbers(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            Self::Over => left / right,
        }
    }
}
