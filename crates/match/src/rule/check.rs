//! Gives every part of a filter its meaning and its type, or says why it has none.

use tidings_event::Refusal;
use tidings_event::json::did_you_mean;

use super::call;
use super::constant::{coerce, fold_compare, fold_math, fold_negated};
use super::expression::{Constant, Name, Operand, Set, Test};
use super::refuse::{invalid, mistyped};
use super::resolve::{path, resolve};
use super::schema::Type;
use super::syntax::{Binary, Comparison, Math, Node, Syntax};

/// What a node is as a condition.
pub(super) fn test(node: &Node) -> Result<Test, Refusal> {
    Ok(match &node.syntax {
        Syntax::Bool(value) => Test::Constant(*value),
        Syntax::Not(of) => Test::Not(Box::new(test(of)?)),
        Syntax::All(nodes) => Test::All(tests(nodes)?),
        Syntax::Any(nodes) => Test::Any(tests(nodes)?),
        Syntax::Choice(parts) => {
            let [condition, yes, no] = &**parts;
            Test::Choice(Box::new([test(condition)?, test(yes)?, test(no)?]))
        }
        Syntax::Binary(Binary::Compare(how), left, right) => compare(*how, left, right)?,
        Syntax::Binary(Binary::In, left, right) => membership(left, right)?,
        Syntax::Call(word, target, arguments) => {
            match call::test(word, target.as_deref(), arguments)? {
                Some(test) => test,
                None => return Err(no_condition(node)),
            }
        }
        Syntax::Name(_) | Syntax::Select(..) | Syntax::Index(..) => match operand(node)? {
            Operand::Name(name) if name.of() == Type::Bool => Test::Is(name, true),
            _ => return Err(no_condition(node)),
        },
        _ => return Err(no_condition(node)),
    })
}

fn tests(nodes: &[Node]) -> Result<Vec<Test>, Refusal> {
    nodes.iter().map(test).collect()
}

/// A value where a condition is needed.
fn no_condition(node: &Node) -> Refusal {
    let what = match &node.syntax {
        Syntax::List(_) => "a list",
        _ => match operand(node) {
            Ok(operand) => operand.of().what(),
            Err(refusal) => return refusal,
        },
    };
    mistyped(node.at, format!("a condition is needed here, this is {what}"))
        .with_hint("compare it: == != < <= > >= in")
}

/// What a node is as a value.
pub(super) fn operand(node: &Node) -> Result<Operand, Refusal> {
    Ok(match &node.syntax {
        Syntax::Bool(value) => Operand::Constant(Constant::Bool(*value)),
        Syntax::Number(number) => Operand::Constant(Constant::Number(*number)),
        Syntax::Text(text) => Operand::Constant(Constant::Text(text.as_str().into())),
        Syntax::Minus(of) => {
            let inner = operand(of)?;
            match inner.of() {
                Type::Number | Type::Duration => fold_negated(inner),
                other => return Err(mistyped(of.at, format!("`-` before {}", other.what()))),
            }
        }
        Syntax::Binary(Binary::Math(how), left, right) => math(*how, left, right)?,
        Syntax::Call(word, target, arguments) => {
            match call::operand(word, target.as_deref(), arguments)? {
                Some(operand) => operand,
                None => return Err(is_condition(node)),
            }
        }
        Syntax::Name(_) | Syntax::Select(..) | Syntax::Index(..) => match path(node)? {
            Some(steps) => Operand::Name(resolve(&steps)?),
            None => return Err(is_condition(node)),
        },
        Syntax::List(_) => {
            return Err(mistyped(node.at, "a list stands only to the right of `in`"));
        }
        Syntax::Choice(_) => {
            return Err(mistyped(node.at, "`?:` chooses between conditions only")
                .with_hint("write the comparison inside: c ? x > 1 : x > 2"));
        }
        _ => return Err(is_condition(node)),
    })
}

/// A condition where a value is needed.
fn is_condition(node: &Node) -> Refusal {
    mistyped(node.at, "a value is needed here, this is a condition")
        .with_hint("combine conditions with && || and !")
}

fn math(how: Math, left: &Node, right: &Node) -> Result<Operand, Refusal> {
    let (a, b) = (operand(left)?, operand(right)?);
    let fits = matches!(
        (how, a.of(), b.of()),
        (_, Type::Number, Type::Number)
            | (Math::Plus | Math::Minus, Type::Duration, Type::Duration)
            | (Math::Minus, Type::Time, Type::Time | Type::Duration)
            | (Math::Plus, Type::Time, Type::Duration)
            | (Math::Plus, Type::Duration, Type::Time)
    );
    if !fits {
        let (symbol, left, other) = (how.symbol(), a.of().what(), b.of().what());
        return Err(mistyped(right.at, format!("{left} {symbol} {other} means nothing"))
            .with_hint("numbers take + - * /; times and durations + and -"));
    }
    fold_math(how, a, b).ok_or_else(|| invalid(right.at, "this has no finite result"))
}

fn compare(how: Comparison, left: &Node, right: &Node) -> Result<Test, Refusal> {
    let (a, b) = (operand(left)?, operand(right)?);
    let a = coerce(left.at, a, &b)?;
    let b = coerce(right.at, b, &a)?;
    let (of, other) = (a.of(), b.of());
    if of != other {
        return Err(incomparable(right.at, of, other));
    }
    if how.is_ordering() && !is_ordered(of) {
        return Err(mistyped(right.at, format!("{} has no order", of.what()))
            .with_hint("compare it with == or !=, or by in [...]"));
    }
    match (a, b) {
        (Operand::Constant(a), Operand::Constant(b)) => Ok(fold_compare(how, &a, &b)),
        (Operand::Name(name), Operand::Constant(Constant::Bool(value)))
        | (Operand::Constant(Constant::Bool(value)), Operand::Name(name)) => {
            Ok(Test::Is(name, value == (how == Comparison::Equal)))
        }
        (a, b) => match of {
            Type::Bool => Err(mistyped(right.at, "two flags are not compared with each other")
                .with_hint("write a && b || !a && !b")),
            Type::Texts => {
                Err(mistyped(right.at, "lists are not compared").with_hint("write \"x\" in list"))
            }
            _ => Ok(Test::Compare(how, a, b)),
        },
    }
}

fn is_ordered(of: Type) -> bool {
    match of {
        Type::Number | Type::Text | Type::Time | Type::Duration => true,
        Type::Choice(choices) => choices.is_ordered,
        Type::Bool | Type::Id | Type::Texts => false,
    }
}

fn incomparable(at: usize, of: Type, other: Type) -> Refusal {
    let refusal = mistyped(at, format!("{} is compared with {}", of.what(), other.what()));
    match (of, other) {
        (Type::Time, Type::Text) | (Type::Text, Type::Time) => {
            refusal.with_hint("write timestamp(\"2026-01-02T03:04:05Z\")")
        }
        (Type::Duration, Type::Text | Type::Number) => refusal.with_hint("write duration(\"5m\")"),
        (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
            refusal.with_hint("numbers stand without quotes, texts in quotes")
        }
        _ => refusal,
    }
}

fn membership(left: &Node, right: &Node) -> Result<Test, Refusal> {
    if let Syntax::List(elements) = &right.syntax {
        return one_of(left, elements);
    }
    if let (Syntax::Text(key), Syntax::Name(map)) = (&left.syntax, &right.syntax) {
        match map.as_str() {
            "labels" => return Ok(Test::Present(Name::Label(key.as_str().into()))),
            "values" => {
                let part = &super::schema::PARTS[0];
                return Ok(Test::Present(Name::Value(key.as_str().into(), part)));
            }
            _ => {}
        }
    }
    let list = operand(right)?;
    if list.of() != Type::Texts {
        return Err(mistyped(right.at, format!("`in` needs a list, this is {}", list.of().what()))
            .with_hint("write x in [\"a\", \"b\"]"));
    }
    let wanted = operand(left)?;
    if wanted.of() != Type::Text {
        let detail = format!("{} is sought in a list of texts", wanted.of().what());
        return Err(mistyped(left.at, detail));
    }
    Ok(Test::Holds(wanted, list))
}

fn one_of(left: &Node, elements: &[Node]) -> Result<Test, Refusal> {
    let sought = operand(left)?;
    if sought.of() == Type::Texts {
        return Err(mistyped(left.at, "a list is not an element of a list")
            .with_hint("write \"a\" in list || \"b\" in list"));
    }
    let mut constants = Vec::with_capacity(elements.len());
    for element in elements {
        let value = coerce(element.at, operand(element)?, &sought)?;
        let Operand::Constant(constant) = value else {
            return Err(mistyped(element.at, "the elements of a list are constants")
                .with_hint("write x == a || x == b"));
        };
        if constant.of() != sought.of() {
            return Err(incomparable(element.at, sought.of(), constant.of()));
        }
        constants.push(constant);
    }
    Ok(match sought {
        Operand::Constant(sought) => {
            Test::Constant(constants.iter().any(|constant| constant.order(&sought).is_eq()))
        }
        Operand::Name(name) if name.of() == Type::Bool => {
            let says =
                |wanted| constants.iter().any(|c| matches!(c, Constant::Bool(v) if *v == wanted));
            let is = |wanted| says(wanted).then(|| Test::Is(name.clone(), wanted));
            Test::Any([true, false].into_iter().filter_map(is).collect())
        }
        sought => Test::OneOf(sought, Set::new(constants)),
    })
}

/// A function that there is not, with the one that was meant.
pub(super) fn no_function(at: usize, name: &str) -> Refusal {
    let refusal = invalid(at, format!("there is no function `{name}`"));
    match name {
        "matches" => refusal.with_hint(
            "regular expressions are not offered: use startsWith, endsWith, contains or in [...]",
        ),
        "all" | "exists" | "exists_one" | "map" | "filter" => refusal.with_hint(
            "lists are not walked: write \"x\" in list; pattern.… is judged for each pattern",
        ),
        "now" => refusal.with_hint("there is no `now`: compare times of the event with each other"),
        _ => {
            let near = did_you_mean(name, call::NAMES);
            let all = format!("there are {}", call::NAMES.join(", "));
            refusal.with_hint(if near.is_empty() { all } else { near })
        }
    }
}
