//! The normal form: filters that differ in order, parentheses or spelling only become the same.

use super::constant::fold_negated;
use super::cost::cost;
use super::expression::{Constant, Operand, Set, Test};
use super::syntax::{Comparison, Math};

/// The normal form of a condition. What is cheap to look at stands first.
pub(super) fn normal(test: Test) -> Test {
    match test {
        Test::Not(of) => negated(normal(*of)),
        Test::All(tests) => chain(tests, true),
        Test::Any(tests) => chain(tests, false),
        Test::Choice(parts) => {
            let [condition, yes, no] = *parts;
            choice(normal(condition), normal(yes), normal(no))
        }
        Test::Compare(how, left, right) => compare(how, arranged(left), arranged(right)),
        Test::OneOf(_, set) if set.constants().is_empty() => Test::Constant(false),
        Test::OneOf(operand, set) => Test::OneOf(arranged(operand), set),
        Test::Affix(affix, within, sought) => {
            Test::Affix(affix, arranged(within), arranged(sought))
        }
        Test::Holds(wanted, list) => Test::Holds(arranged(wanted), list),
        same => same,
    }
}

fn negated(of: Test) -> Test {
    match of {
        Test::Constant(value) => Test::Constant(!value),
        Test::Not(inner) => *inner,
        other => Test::Not(Box::new(other)),
    }
}

fn choice(condition: Test, yes: Test, no: Test) -> Test {
    match condition {
        Test::Constant(true) => yes,
        Test::Constant(false) => no,
        Test::Not(of) => choice(*of, no, yes),
        _ if yes.to_string() == no.to_string() => yes,
        condition => Test::Choice(Box::new([condition, yes, no])),
    }
}

/// `&&` (or `||`) of tests: `neutral` says nothing, its opposite decides.
fn chain(tests: Vec<Test>, neutral: bool) -> Test {
    let mut parts = Vec::with_capacity(tests.len());
    for test in tests {
        match (normal(test), neutral) {
            (Test::Constant(value), _) if value == neutral => {}
            (Test::Constant(value), _) => return Test::Constant(value),
            (Test::All(inner), true) | (Test::Any(inner), false) => parts.extend(inner),
            (other, _) => parts.push(other),
        }
    }
    if !neutral {
        parts = merged(parts);
    }
    let mut keyed: Vec<_> =
        parts.into_iter().map(|part| (cost(&part), part.to_string(), part)).collect();
    keyed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    keyed.dedup_by(|a, b| a.1 == b.1);
    let mut parts: Vec<Test> = keyed.into_iter().map(|(_, _, part)| part).collect();
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Test::Constant(neutral),
        (Some(one), true) => one,
        (Some(last), false) => {
            parts.push(last);
            if neutral { Test::All(parts) } else { Test::Any(parts) }
        }
    }
}

/// `x == a || x in [b]` is `x in [a, b]`.
fn merged(parts: Vec<Test>) -> Vec<Test> {
    let mut sets: Vec<(String, Operand, Vec<Constant>)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    let mut rest = Vec::new();
    for part in parts {
        let Test::OneOf(operand, set) = part else {
            rest.push(part);
            continue;
        };
        let name = operand.to_string();
        let at = *index.entry(name.clone()).or_insert(sets.len());
        match sets.get_mut(at) {
            Some((_, _, constants)) => constants.extend_from_slice(set.constants()),
            None => sets.push((name, operand, set.constants().to_vec())),
        }
    }
    rest.extend(sets.into_iter().map(|(_, of, constants)| Test::OneOf(of, Set::new(constants))));
    rest
}

fn compare(how: Comparison, left: Operand, right: Operand) -> Test {
    match (left, right) {
        (left, Operand::Constant(constant)) => with_constant(how, left, constant),
        (Operand::Constant(constant), right) => with_constant(how.mirrored(), right, constant),
        (left, right) if left.to_string() > right.to_string() => {
            Test::Compare(how.mirrored(), right, left)
        }
        (left, right) => Test::Compare(how, left, right),
    }
}

fn with_constant(how: Comparison, operand: Operand, constant: Constant) -> Test {
    match how {
        Comparison::Equal => Test::OneOf(operand, Set::new(vec![constant])),
        _ => Test::Compare(how, operand, Operand::Constant(constant)),
    }
}

/// The normal form of a value.
fn arranged(operand: Operand) -> Operand {
    match operand {
        Operand::Math(how, left, right) => {
            let (left, right) = (arranged(*left), arranged(*right));
            let commutes = matches!(how, Math::Plus | Math::Times);
            if commutes && left.to_string() > right.to_string() {
                return Operand::Math(how, Box::new(right), Box::new(left));
            }
            Operand::Math(how, Box::new(left), Box::new(right))
        }
        Operand::Negated(of) => fold_negated(arranged(*of)),
        Operand::Size(of) => Operand::Size(Box::new(arranged(*of))),
        Operand::LowerAscii(of) => match arranged(*of) {
            // Lower case of lower case is itself.
            Operand::LowerAscii(inner) => Operand::LowerAscii(inner),
            other => Operand::LowerAscii(Box::new(other)),
        },
        same => same,
    }
}
