//! Slips are understood, other words are not guessed at.

use super::nearest;

fn check(written: &str, want: Option<&str>) {
    let known = ["source", "is_final", "interval_start", "interval_end", "id"];
    assert_eq!(nearest(written, known), want, "{written}");
}

#[test]
fn names_a_slip_and_nothing_far() {
    check("isFinal", Some("is_final"));
    check("intervalEnd", Some("interval_end"));
    check("sorce", Some("source"));
    check("Source", Some("source"));
    check("ID", Some("id"));
    check("color", None);
    check("", None);
    check(&"x".repeat(1000), None);
}
