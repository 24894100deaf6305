//! One way to say which letters, and every other one refused by its field.

use super::*;

#[test]
fn a_selection_is_said_in_exactly_one_way() {
    let check = |positions: &[&str], range: (Option<&str>, Option<&str>), all, wanted: &str| {
        let positions: Vec<String> = positions.iter().map(|&text| text.to_owned()).collect();
        let got = match selection(&positions, range, all) {
            Ok(Selection::All) => "all".to_owned(),
            Ok(Selection::Range { from, to }) => format!("{from}..={to}"),
            Ok(Selection::Positions(positions)) => format!("{} positions", positions.len()),
            Err(refusal) => format!("{} {}", refusal.code, refusal.field),
        };
        assert_eq!(got, wanted);
    };
    let (a, b, elsewhere) = ("p1-1-1-0-5", "p1-1-1-0-9", "p1-1-1-3-9");
    check(&[], (None, None), true, "all");
    check(&[a, b], (None, None), false, "2 positions");
    check(&[], (Some(a), Some(b)), false, "p1-1-1-0-5..=9");
    check(&[], (None, None), false, "FIELD_MISSING positions");
    check(&[a], (None, None), true, "FIELD_INVALID positions");
    check(&[a], (Some(a), Some(b)), false, "FIELD_INVALID positions");
    check(&[], (Some(a), None), false, "FIELD_MISSING to");
    check(&[], (None, Some(a)), false, "FIELD_MISSING from");
    check(&[], (Some(a), Some(elsewhere)), false, "FIELD_INVALID to");
    check(&[a, "p1-1-1-0-05"], (None, None), false, "POSITION_INVALID positions[1]");
    check(&vec![a; 1_001], (None, None), false, "FIELD_INVALID positions");
}
