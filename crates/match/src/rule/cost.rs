//! How much work a filter can be at most, known before it sees an event.

use super::expression::{Name, Operand, Test};
use super::schema::Place;

/// Most that a filter may cost.
pub(super) const COST_MAX: u32 = 10_000;

/// Looking something up beside the envelope, in comparisons: there are up to 16 labels and targets,
/// and about as many indicators.
const LOOKUP: u32 = 16;

/// Comparisons that judging it takes at most; once a pattern, where it names patterns.
pub(super) fn cost(test: &Test) -> u32 {
    match test {
        Test::Constant(_) => 0,
        Test::Not(of) => cost(of),
        Test::All(tests) | Test::Any(tests) => total(tests.iter().map(cost)),
        Test::Choice(parts) => total(parts.iter().map(cost)),
        Test::Compare(_, left, right) | Test::Affix(_, left, right) | Test::Holds(left, right) => {
            total([1, of_operand(left), of_operand(right)].into_iter())
        }
        Test::OneOf(operand, set) => {
            let halvings = usize::BITS - set.constants().len().leading_zeros();
            of_operand(operand).saturating_add(halvings)
        }
        Test::Present(name) | Test::Is(name, _) => of_name(name).saturating_add(1),
    }
}

fn total(costs: impl Iterator<Item = u32>) -> u32 {
    costs.fold(0, u32::saturating_add)
}

fn of_operand(operand: &Operand) -> u32 {
    match operand {
        Operand::Name(name) => of_name(name),
        Operand::Constant(_) => 0,
        Operand::Math(_, left, right) => {
            total([1, of_operand(left), of_operand(right)].into_iter())
        }
        Operand::Negated(of) | Operand::Size(of) | Operand::LowerAscii(of) => {
            of_operand(of).saturating_add(1)
        }
    }
}

fn of_name(name: &Name) -> u32 {
    match name {
        Name::Entry(entry) if matches!(entry.place, Place::Envelope(_)) => 0,
        _ => LOOKUP,
    }
}
