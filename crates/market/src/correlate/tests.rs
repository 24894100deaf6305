//! Correlations of series made to correlate.

use super::Correlator;

fn check(returns: impl Fn(f64) -> [f64; 2], want: Option<f64>) {
    let mut correlator = Correlator::new("m", vec!["A".to_owned(), "B".to_owned()], 20);
    (0..40).for_each(|turn| correlator.push(returns(f64::from(turn).sin())));
    let value = correlator.pairs().map(|c| c.pairs[0].value);
    match (value, want) {
        (Some(value), Some(want)) => assert!((value - want).abs() < 1e-9, "{value}"),
        (value, want) => assert_eq!(value, want),
    }
}

#[test]
fn together_apart_and_still() {
    check(|x| [x, 2.0 * x], Some(1.0));
    check(|x| [x, -x], Some(-1.0));
    check(|x| [x, 0.0], None);
}

#[test]
fn too_few_returns_say_nothing() {
    let mut correlator = Correlator::new("m", vec!["A".to_owned(), "B".to_owned()], 20);
    (0..9).for_each(|turn| correlator.push([f64::from(turn), f64::from(turn)]));
    assert_eq!(correlator.pairs(), None);
    correlator.push([0.0, 0.0]);
    assert_eq!(correlator.pairs().unwrap().summary.unwrap().high_pairs, 1);
}
