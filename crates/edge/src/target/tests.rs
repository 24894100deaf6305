//! What names a target, and what does not.

use super::{Target, TargetError};

#[test]
fn each_topic_has_a_name_of_its_own_or_all_have_one() {
    let each = Target::parse("persistent://market/events/tidings-{topic}").unwrap();
    let one = Target::parse("persistent://market/events/all").unwrap();
    let name = |target: &Target, path| target.of(path).to_string();
    assert_eq!(
        name(&each, "analysis/indicators/5m"),
        "persistent://market/events/tidings-analysis:indicators:5m"
    );
    assert_ne!(each.of("a/b.c"), each.of("a.b/c"));
    assert_eq!(name(&one, "analysis/indicators/5m"), "persistent://market/events/all");
    assert_eq!(each.namespace(), "market/events");
}

#[test]
fn what_names_no_target_is_refused_with_its_reason() {
    let long = format!("persistent://a/b/{}", "x".repeat(200));
    for (text, error) in [
        ("public/default/x", TargetError::Scheme),
        ("non-persistent://public/default/x", TargetError::Scheme),
        ("persistent://public/x", TargetError::Parts),
        ("persistent://public/default/a/b", TargetError::Parts),
        ("persistent://public/default/", TargetError::Characters),
        ("persistent://public/default/a b", TargetError::Characters),
        ("persistent://pub#lic/default/a", TargetError::Characters),
        (&long, TargetError::Characters),
        ("persistent://public/default/{name}", TargetError::Placeholder),
        ("persistent://public/{topic}/x", TargetError::Placeholder),
        ("persistent://public/default/{topic}{topic}", TargetError::Placeholder),
        ("persistent://public/default/x-partition-0", TargetError::Partition),
    ] {
        assert_eq!(Target::parse(text), Err(error), "{text}");
    }
}
