//! The rule language: a filter is a condition on one event, written in a part of CEL.
//!
//! `docs/spec/rules.md` describes it. Text becomes [`syntax`], that is given meaning and types
//! ([`check`]), brought to its [`normal`] form and judged as it stands ([`evaluate`]). What every
//! passing event must be is known beforehand ([`pins`]), and so is what judging costs ([`cost`]).

mod call;
mod check;
mod constant;
mod cost;
mod evaluate;
mod expression;
mod normal;
mod notes;
mod parse;
mod pins;
mod print;
mod refuse;
mod resolve;
mod schema;
mod subject;
mod syntax;
mod token;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tidings_event::v1::Kind;
use tidings_event::{Envelope, Raw, Refusal, fields};

use expression::{Name, Test};
use schema::Place;
use subject::Subject;

pub use pins::{Pin, Pinned};

/// A condition on events, checked and ready to judge. Cloning shares it.
///
/// Two filters are equal when they say the same in their canonical form.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    canonical: Box<str>,
    test: Test,
    pins: Vec<Pin>,
    is_pin: bool,
    cost: u32,
    /// Whether it is judged once for each pattern of an event.
    names_pattern: bool,
    needs_payload: bool,
}

impl Filter {
    /// Checks a text and makes it ready.
    ///
    /// # Errors
    /// `FILTER_INVALID` for what is not of the language or beyond its limits, `FILTER_TYPE` for
    /// names and types that do not fit events; both with the offset in the text.
    pub fn compile(text: &str) -> Result<Self, Refusal> {
        let test = read(text)?;
        let canonical = test.to_string();
        // What is stored in this form must be readable, whatever it was written like.
        let reads_back = || read(&canonical).is_ok_and(|again| again.to_string() == canonical);
        if canonical != text && !reads_back() {
            return Err(refuse::invalid(0, "too long or too deep once it is written out")
                .with_hint("use several subscriptions"));
        }
        let cost = cost::cost(&test);
        if cost > cost::COST_MAX {
            let detail = format!("judging it takes {cost} comparisons, at most {}", cost::COST_MAX);
            return Err(refuse::invalid(0, detail).with_hint("use several subscriptions"));
        }
        let names = test.names();
        let place = |name: &&Name| match name {
            Name::Entry(entry) => Some(entry.place),
            _ => None,
        };
        let names_pattern = names.iter().any(|n| matches!(place(n), Some(Place::Pattern(..))));
        let needs_payload = names.iter().any(|n| !matches!(place(n), Some(Place::Envelope(_))));
        Ok(Self(Arc::new(Compiled {
            text: text.into(),
            canonical: canonical.into(),
            pins: pins::pins(&test),
            is_pin: pins::say_all(&test),
            test,
            cost,
            names_pattern,
            needs_payload,
        })))
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The one text of all filters that differ from this in spelling and order only.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// What every event that passes must be, most selective first.
    #[must_use]
    pub fn pins(&self) -> &[Pin] {
        &self.0.pins
    }

    /// Whether every event that has one of the values of its first pin passes.
    #[must_use]
    pub fn is_pin(&self) -> bool {
        self.0.is_pin
    }

    /// Whether no index finds it: every event is judged by it.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.0.pins.is_empty() && !matches!(self.0.test, Test::Constant(_))
    }

    /// What whoever saves it should know.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        notes::notes(&self.0.test, &self.0.pins)
    }

    /// Whether it looks beyond the envelope.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        self.0.needs_payload
    }

    /// Comparisons that judging an event takes at most; once a pattern, where it names patterns.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.0.cost
    }

    /// Whether an event passes: its canonical bytes, and the envelope read from them.
    #[must_use]
    pub fn matches(&self, envelope: &Envelope<'_>, event: &[u8]) -> bool {
        let subject = Subject { envelope, event, pattern: None };
        let patterns = if self.0.names_pattern { subject.payload(Kind::Patterns) } else { None };
        let Some(patterns) = patterns else { return evaluate::holds(&self.0.test, &subject) };
        fields(patterns).any(|(number, raw)| match raw {
            Raw::Bytes(pattern) if number == 1 => {
                evaluate::holds(&self.0.test, &Subject { pattern: Some(pattern), ..subject })
            }
            _ => false,
        })
    }
}

/// The normal form of a text.
fn read(text: &str) -> Result<Test, Refusal> {
    Ok(normal::normal(check::test(&parse::parse(text)?)?))
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.canonical() == other.canonical()
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.text())
    }
}

#[cfg(test)]
mod tests;
