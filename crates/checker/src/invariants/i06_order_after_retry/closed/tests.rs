//! Lives of one event, a letter a record: when it held its key.

use super::{Ends, Life, Step};

/// `D` delivered, `N` given back, `G` the gate is known to be closed, `C` crash, `R` redriven, `X` told as a
/// gap, `L` an answer got lost or a seek, `.` anything else; places are those of the letters.
#[track_caller]
fn check(life: &str, is_dead: bool, expected: &[(usize, usize)]) {
    let places = |letter| life.match_indices(letter).map(|(at, _)| at).collect::<Vec<_>>();
    let ends = Ends { crashes: places('C'), redriven: places('R'), unseen: places('L') };
    let step = |(at, letter)| match letter {
        'D' => Some((at, Step::Delivered)),
        'N' => Some((at, Step::GivenBack)),
        'G' => Some((at, Step::Gated)),
        'X' => Some((at, Step::Gone)),
        _ => None,
    };
    let steps = life.char_indices().filter_map(step).collect();
    let life = Life { steps, is_dead, ends: &ends };
    assert_eq!(life.closed(), expected);
}

#[test]
fn from_the_gate_until_it_comes_again_for_good() {
    check("DN.G..D", false, &[(3, 6)]);
    // Nobody knows when the service took it back.
    check("DN....D", false, &[]);
    check("DN.G...", false, &[(3, usize::MAX)]);
}

#[test]
fn while_it_is_tried_in_vain() {
    check("DNG.D.N.G.D", false, &[(2, 10)]);
    check("DN..D.NG..D", false, &[(7, 10)]);
}

#[test]
fn until_it_is_given_back_for_the_last_time_when_it_is_dead_then() {
    check("DNG.D.NG...", true, &[(2, 6)]);
    check("DNG........", true, &[]);
    check("DNG.D.NG.R.D", true, &[(2, 6)]);
    // A letter of before, in another life.
    check("DNG.C.R.DN.D", false, &[(2, 8)]);
}

#[test]
fn from_a_crash_until_it_comes_again() {
    check("D.C.D", false, &[(2, 4)]);
    check("D.C.C.D", false, &[(2, 6)]);
    check("D.C..", false, &[]);
    check("D.CR.D", false, &[]);
    // A crash forgets that it failed, not that it has to come.
    check("DNG.C.D.N.G.D", false, &[(2, 6), (10, 12)]);
    // It may have been dead before the crash.
    check("DNG.DN.C.D", true, &[(2, 5), (7, 9)]);
}

#[test]
fn until_it_is_told_as_a_gap() {
    check("DNG.X.D", false, &[(2, 4)]);
    check("DN.X.G..", false, &[]);
    // Given back by one who did not hear of it yet.
    check("D.X.N.G.", false, &[]);
    check("DNG.D.NGX", false, &[(2, 8)]);
    check("D.X.DN.XG", false, &[]);
}

#[test]
fn until_it_may_have_come_or_been_passed_unseen() {
    check("D.C.L.D", false, &[(2, 4)]);
    check("DNG.L..D", false, &[(2, 4)]);
    check("DNGL....", false, &[(2, 3)]);
    check("DNG.L.X.", false, &[(2, 4)]);
    check("D.L.C.D", false, &[(4, 6)]);
}
