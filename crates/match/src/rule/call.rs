//! The functions of the language.

use std::sync::Arc;

use tidings_event::{Refusal, Timestamp};

use super::check::{no_function, operand as value};
use super::expression::{Affix, Constant, Operand, Test};
use super::refuse::{invalid, mistyped};
use super::resolve::{path, resolve};
use super::schema::Type;
use super::syntax::{Node, Syntax, Word};

/// Every function, for hints.
pub(super) const NAMES: [&str; 8] =
    ["has", "size", "startsWith", "endsWith", "contains", "lowerAscii", "timestamp", "duration"];

/// A call that is a condition; `None` for one that gives a value.
pub(super) fn test(
    word: &Word,
    target: Option<&Node>,
    arguments: &[Node],
) -> Result<Option<Test>, Refusal> {
    if let Some((affix, _)) = Affix::ALL.into_iter().find(|(_, name)| *name == word.text) {
        let hint = format!("write instrument.{}(\"…\")", affix.name());
        let (Some(target), [argument]) = (target, arguments) else {
            return Err(invalid(word.at, format!("`{}` takes one text", word.text)).with_hint(hint));
        };
        let (within, sought) = (text(target)?, text(argument)?);
        return Ok(Some(match (&within, &sought) {
            (Operand::Constant(Constant::Text(a)), Operand::Constant(Constant::Text(b))) => {
                Test::Constant(affix.holds(a, b))
            }
            _ => Test::Affix(affix, within, sought),
        }));
    }
    if word.text != "has" {
        return Ok(None);
    }
    let (None, [argument]) = (target, arguments) else {
        return Err(invalid(word.at, "`has` takes one name").with_hint("write has(labels.desk)"));
    };
    match path(argument)? {
        Some(steps) => Ok(Some(Test::Present(resolve(&steps)?))),
        None => Err(mistyped(argument.at, "`has` takes a name of an event")
            .with_hint("write has(labels.desk)")),
    }
}

/// A call that gives a value; `None` for one that is a condition.
pub(super) fn operand(
    word: &Word,
    target: Option<&Node>,
    arguments: &[Node],
) -> Result<Option<Operand>, Refusal> {
    let name = word.text.as_str();
    if name == "has" || Affix::ALL.iter().any(|(_, affix)| *affix == name) {
        return Ok(None);
    }
    if !NAMES.contains(&name) {
        return Err(no_function(word.at, name));
    }
    let argument = match (target, arguments) {
        (None, [argument]) => argument,
        (Some(target), []) if matches!(name, "size" | "lowerAscii") => target,
        _ => return Err(invalid(word.at, format!("`{name}` takes one value"))),
    };
    Ok(Some(match name {
        "size" => size(argument)?,
        "lowerAscii" => match text(argument)? {
            Operand::Constant(Constant::Text(text)) => {
                Operand::Constant(Constant::Text(text.to_ascii_lowercase().into()))
            }
            of => Operand::LowerAscii(Box::new(of)),
        },
        "timestamp" => {
            let time: Timestamp = literal(argument)?.parse().map_err(|_| {
                mistyped(argument.at, "not a time").with_hint("write 2026-01-02T03:04:05Z (UTC)")
            })?;
            Operand::Constant(Constant::Time(i128::from(time.0)))
        }
        _ => {
            let duration = parse_duration(&literal(argument)?).ok_or_else(|| {
                mistyped(argument.at, "not a duration")
                    .with_hint("write 5m, 1h30m, 250ms; units are h, m, s, ms, us, ns")
            })?;
            Operand::Constant(Constant::Duration(duration))
        }
    }))
}

fn size(argument: &Node) -> Result<Operand, Refusal> {
    let of = value(argument)?;
    match (of.of(), of) {
        (Type::Text, Operand::Constant(Constant::Text(text))) => {
            Ok(Operand::Constant(Constant::Number(text.chars().count() as f64)))
        }
        (Type::Text | Type::Texts, of) => Ok(Operand::Size(Box::new(of))),
        (other, _) => {
            let detail = format!("`size` takes a text or a list, this is {}", other.what());
            Err(mistyped(argument.at, detail))
        }
    }
}

fn text(node: &Node) -> Result<Operand, Refusal> {
    let operand = value(node)?;
    match operand.of() {
        Type::Text => Ok(operand),
        other => Err(mistyped(node.at, format!("a text is needed here, this is {}", other.what()))),
    }
}

/// The text that stands there.
fn literal(node: &Node) -> Result<Arc<str>, Refusal> {
    match &node.syntax {
        Syntax::Text(text) => Ok(text.as_str().into()),
        _ => Err(mistyped(node.at, "a text in quotes is needed here")),
    }
}

const UNITS: [(&str, i128); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

/// Nanoseconds of a text such as `1h30m`, `-1.5s`: numbers with units, one after the other.
fn parse_duration(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total = 0i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.len() > 12 || fraction.len() > 9 || whole.is_empty() {
            return None;
        }
        let (unit, nanos) = UNITS.into_iter().find(|(unit, _)| {
            after.strip_prefix(unit).is_some_and(|r| !r.starts_with(|c: char| c.is_alphabetic()))
        })?;
        let part: i128 = fraction.parse().unwrap_or(0);
        let scale = 10i128.pow(u32::try_from(fraction.len()).ok()?);
        total += whole.parse::<i128>().ok()? * nanos + part * nanos / scale;
        rest = after.strip_prefix(unit)?;
    }
    Some(sign * total)
}

/// Leading digits, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}
