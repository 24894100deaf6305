//! Which names are legal, and what a refusal says.

use super::*;

fn check(path: &str, want: Result<(), &str>) {
    let got = TopicName::default_tenant(path).map(drop).map_err(|e| e.to_string());
    assert_eq!(got, want.map_err(str::to_owned), "{path}");
}

#[test]
fn the_grammar() {
    check("analysis/indicators/5m", Ok(()));
    check("a", Ok(()));
    check("0.a_b-c/d", Ok(()));
    check(&"a".repeat(64), Ok(()));
    check("", Err("segment 0 is empty"));
    check("a//b", Err("segment 1 is empty"));
    check("a/", Err("segment 1 is empty"));
    check("A", Err("segment 0 `A` does not match [a-z0-9][a-z0-9._-]{0,63}"));
    check("a/_b", Err("segment 1 `_b` does not match [a-z0-9][a-z0-9._-]{0,63}"));
    check("a/b/c/d/e/f/g/h/i", Err("9 segments, at most 8"));
    check(&"a".repeat(201), Err("201 bytes, at most 200"));
    check("x-partition-1", Err("contains `-partition-`"));
    assert!(TopicName::default_tenant(&"a".repeat(65)).is_err());
}

#[test]
fn a_name_knows_its_parts() {
    let name = TopicName::new("acme", "analysis/summaries").unwrap();
    assert_eq!(
        (name.tenant(), name.path(), name.full()),
        ("acme", "analysis/summaries", "acme/analysis/summaries")
    );
    assert_eq!(format!("{name} {name:?}"), "analysis/summaries acme/analysis/summaries");
}
